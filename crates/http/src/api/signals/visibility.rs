//! Why a list is empty, or cut: what its reader may see, and when.

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use alpine_domain::{account::Viewer, signal::Catalogue};
use serde::Serialize;
use utoipa::ToSchema;

/// The same as the member `visibility`, for answers that have no members.
const HEADER: HeaderName = HeaderName::from_static("x-visibility");

/// What the caller may see, and when: whatever is not, stands in no list.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Visibility)]
pub(crate) struct VisibilityView {
    /// The group whose rules applied: a tier, `anonymous`, or `admin`.
    #[schema(example = "free")]
    tier: &'static str,
    /// How late signals and their outcomes come into sight, in seconds.
    #[schema(example = 900)]
    delay_seconds: u64,
    /// Only signals with a confidence below this percentage; null for all.
    #[schema(required = true, example = 85.0)]
    below: Option<f64>,
    /// Rows of a list at most, whatever is asked for; null for as many as are asked for.
    #[schema(required = true, example = 10)]
    rows: Option<u32>,
}

impl VisibilityView {
    pub(crate) fn of(viewer: Viewer, catalogue: &Catalogue) -> Self {
        let view = catalogue.view(viewer);
        Self {
            tier: viewer.name(),
            delay_seconds: view.delay.as_secs(),
            below: view.below,
            rows: view.max_rows,
        }
    }

    /// The answer with the header: `tier=free, delay_seconds=900, below=85, rows=10`.
    pub(crate) fn told(self, mut answer: HttpResponse) -> HttpResponse {
        let Self { tier, delay_seconds, below, rows } = self;
        let below = below.map_or_else(String::new, |below| format!(", below={below}"));
        let rows = rows.map_or_else(String::new, |rows| format!(", rows={rows}"));
        let text = format!("tier={tier}, delay_seconds={delay_seconds}{below}{rows}");
        if let Ok(value) = HeaderValue::try_from(text) {
            answer.headers_mut().insert(HEADER, value);
        }
        answer
    }
}
