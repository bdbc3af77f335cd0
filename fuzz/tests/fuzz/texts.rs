//! What people type is refused with a reason, or has one form, which is its own form.

use alpine_domain::account::{Email, FullName, KeyName, NewPassword, TypedPassword};

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(email) = text.parse::<Email>() {
        assert_eq!(email.as_str().parse::<Email>().as_ref(), Ok(&email));
        assert_eq!(Email::from_stored(email.as_str()).as_ref(), Ok(&email));
        assert_eq!(Email::folded(&text), email.as_str());
        assert!(Email::as_typed(&text).any(|typed| typed == email));
        assert!(email.as_str().len() <= 254);
        is_storable(email.as_str());
    }
    let folded = Email::folded(&text);
    assert_eq!(Email::folded(&folded), folded, "{text:?}");
    if let Ok(name) = text.parse::<FullName>() {
        assert_eq!(name.as_str().parse::<FullName>().as_ref(), Ok(&name));
        assert!(name.as_str().chars().count() <= FullName::MAX_CHARS);
        is_storable(name.as_str());
    }
    if let Ok(name) = text.parse::<KeyName>() {
        assert_eq!(name.as_str().parse::<KeyName>().as_ref(), Ok(&name));
        is_storable(name.as_str());
    }
    let typed = TypedPassword::new(&text);
    if let Ok(password) = NewPassword::parse(&text) {
        let again = NewPassword::parse(password.reveal()).expect("its own form is a password");
        assert_eq!(again.reveal(), password.reveal());
        let typed = typed.expect("a password is not too long to be typed");
        assert_eq!(typed.normal(), password.reveal(), "who typed it can sign in");
        assert!(password.reveal().chars().count() <= NewPassword::MAX_CHARS);
    }
}

/// PostgreSQL takes no NUL, and nothing here is seen as something else.
fn is_storable(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
    assert_eq!(text.trim(), text);
}
