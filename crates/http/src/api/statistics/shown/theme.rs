//! Light and dark.

alpine_domain::text_enum!(
    /// The colours of a picture.
    Theme, {
        /// Dark on white.
        Light = "light",
        /// Light on near black.
        Dark = "dark",
        /// What the reader's system prefers.
        Auto = "auto",
    }
);

/// The colours of one theme.
struct Colours {
    background: &'static str,
    text: &'static str,
    muted: &'static str,
    line: &'static str,
}

const LIGHT: Colours =
    Colours { background: "#ffffff", text: "#1f2328", muted: "#59636e", line: "#0969da" };
const DARK: Colours =
    Colours { background: "#0d1117", text: "#e6edf3", muted: "#9198a1", line: "#58a6ff" };

impl Colours {
    /// `b` is filled with the background, `t` and `m` are texts, `l` is a line and `z` one that only helps to read.
    fn rules(&self) -> String {
        let Self { background, text, muted, line } = self;
        format!(
            ".b{{fill:{background};stroke:{muted};stroke-opacity:.4}}.t{{fill:{text}}}.m{{fill:{muted}}}\
             .l{{stroke:{line};fill:none;stroke-width:1.5}}.z{{stroke:{muted};stroke-dasharray:3 3}}"
        )
    }
}

impl Theme {
    /// The style of a picture.
    pub(super) fn style(self) -> String {
        let rules = match self {
            Self::Light => LIGHT.rules(),
            Self::Dark => DARK.rules(),
            Self::Auto => {
                let dark = DARK.rules();
                format!("{}@media(prefers-color-scheme:dark){{{dark}}}", LIGHT.rules())
            }
        };
        format!("<style>text{{font:11px Verdana,DejaVu Sans,sans-serif}}{rules}</style>")
    }
}
