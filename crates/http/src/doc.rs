//! What is said of a route in the description of the API, beyond what its row in the table knows.

use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{Array, Object, ObjectBuilder, Ref, RefOr, Type, schema::Schema},
};

use crate::{
    extract::parameter::{Description, Parameters, Rule},
    json,
    problem::Kind,
};

/// What one route does.
#[derive(Clone)]
pub struct Doc {
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    /// What the summary leaves open, in a sentence or two.
    pub(crate) explanation: &'static str,
    pub(crate) parameters: Vec<Description>,
    pub(crate) body: Vec<(&'static str, RefOr<Schema>)>,
    pub(crate) is_body_optional: bool,
    pub(crate) status: u16,
    pub(crate) answer: &'static str,
    pub(crate) content: Vec<(&'static str, RefOr<Schema>)>,
    /// The status, the meaning and the schema of another answer that is no refusal.
    pub(crate) otherwise: Option<(u16, &'static str, RefOr<Schema>)>,
    /// Kinds of problems that neither access nor limits nor bodies imply.
    pub(crate) problems: &'static [&'static Kind],
    pub(crate) extras: Vec<Extra>,
    /// Every type that a body or an answer refers to, by its name.
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
}

/// What more an answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// An `ETag`, and 304 to who has it.
    Validator,
    /// A `Location`.
    Location,
    /// A `Link` to the next page.
    Link,
    /// A file name.
    Attachment,
}

impl Doc {
    /// A route that answers 200, under a heading of the description; both sentences in plain words.
    pub fn new(tag: &'static str, summary: &'static str, answer: &'static str) -> Self {
        Self {
            tag,
            summary,
            explanation: "",
            parameters: Vec::new(),
            body: Vec::new(),
            is_body_optional: false,
            status: 200,
            answer,
            content: Vec::new(),
            otherwise: None,
            problems: &[],
            extras: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// What the summary leaves open, in a sentence or two.
    #[must_use]
    pub fn explained(mut self, explanation: &'static str) -> Self {
        self.explanation = explanation;
        self
    }

    /// What its query may hold: the very parameters that its handler reads.
    #[must_use]
    pub fn parameters(mut self, parameters: &impl Parameters) -> Self {
        parameters.describe(&mut self.parameters);
        self
    }

    /// A body of this media type.
    #[must_use]
    pub fn takes<T: ToSchema>(mut self, media_type: &'static str) -> Self {
        let schema = self.refer::<T>();
        self.body.push((media_type, schema));
        self
    }

    /// As [`takes`](Self::takes), of a body that may be left out.
    #[must_use]
    pub fn may_take<T: ToSchema>(self, media_type: &'static str) -> Self {
        let mut doc = self.takes::<T>(media_type);
        doc.is_body_optional = true;
        doc
    }

    /// A JSON array of at most `max` as the body.
    #[must_use]
    pub fn takes_list<T: ToSchema>(mut self, max: usize) -> Self {
        let mut list = Array::new(self.refer::<T>());
        list.min_items = Some(1);
        list.max_items = Some(max);
        self.body.push((json::MEDIA_TYPE, list.into()));
        self
    }

    /// An answer in JSON.
    #[must_use]
    pub fn gives<T: ToSchema>(mut self) -> Self {
        let schema = self.refer::<T>();
        self.content.push((json::MEDIA_TYPE, schema));
        self
    }

    /// A JSON array as the answer.
    #[must_use]
    pub fn gives_list<T: ToSchema>(mut self) -> Self {
        let list = Array::new(self.refer::<T>());
        self.content.push((json::MEDIA_TYPE, list.into()));
        self
    }

    /// An answer of another media type.
    #[must_use]
    pub fn gives_other(mut self, media_type: &'static str) -> Self {
        // A stream of them has no bound of its own.
        let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(LONGEST_STREAM));
        self.content.push((media_type, text.into()));
        self
    }

    /// 201 with a `Location`.
    #[must_use]
    pub fn created(self) -> Self {
        self.answers(201).with(Extra::Location)
    }

    /// Another status than 200.
    #[must_use]
    pub fn answers(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Another answer that is no refusal, in JSON.
    #[must_use]
    pub fn or_gives<T: ToSchema>(mut self, status: u16, answer: &'static str) -> Self {
        let schema = self.refer::<T>();
        self.otherwise = Some((status, answer, schema));
        self
    }

    /// With this beside.
    #[must_use]
    pub fn with(mut self, extra: Extra) -> Self {
        self.extras.push(extra);
        self
    }

    /// Kinds of problems that neither access nor limits nor bodies imply.
    #[must_use]
    pub fn problems(mut self, kinds: &'static [&'static Kind]) -> Self {
        self.problems = kinds;
        self
    }

    /// The names of the members that a body may have.
    pub(crate) fn body_members(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (_, schema) in &self.body {
            let RefOr::Ref(reference) = schema else { continue };
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            let found = self.schemas.iter().find(|(known, _)| known == name);
            if let Some((_, RefOr::T(Schema::Object(object)))) = found {
                names.extend(object.properties.keys().cloned());
            }
        }
        names
    }

    /// A reference to a type, which is then listed with all that it refers to itself.
    fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        RefOr::Ref(Ref::from_schema_name(T::name()))
    }
}

/// Characters of a streamed answer at most: what any JSON reader counts exactly (RFC 8259, section 6).
const LONGEST_STREAM: usize = 9_007_199_254_740_991;

/// A text without further rules.
pub(crate) fn text_schema() -> RefOr<Schema> {
    Object::with_type(Type::String).into()
}

/// Names a type of the domain that stands for a closed list of words, for the description of the API.
macro_rules! words {
    ($(#[$doc:meta])* $word:ident, $name:ident) => {
        $(#[$doc])*
        pub(crate) struct $word;

        impl utoipa::PartialSchema for $word {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                crate::doc::word_schema($name::WORDS).build().into()
            }
        }

        impl utoipa::ToSchema for $word {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
}
pub(crate) use words;

/// One of these words.
pub(crate) fn word_schema(words: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.iter().map(|word| json!(word))))
}

/// The schema of a parameter.
pub(crate) fn schema(parameter: &Description) -> RefOr<Schema> {
    let object = ObjectBuilder::new();
    match parameter.rule {
        Rule::Whole { min, max } => {
            object.schema_type(Type::Integer).minimum(Some(min)).maximum(Some(max))
        }
        Rule::Number { min, max } => {
            object.schema_type(Type::Number).minimum(Some(min)).maximum(Some(max))
        }
        Rule::Flag => object.schema_type(Type::Boolean),
        Rule::OneOf(words) => word_schema(words),
        Rule::Text { max_chars, pattern } => object
            .schema_type(Type::String)
            .min_length(max_chars.map(|_| 1))
            .max_length(max_chars)
            .pattern(pattern),
    }
    .default(parameter.default.clone())
    .build()
    .into()
}
