//! Numbers keep their digits, and profit and loss is what whole numbers say it is.

use alpine_domain::signal::{
    Action, Confidence, ExitPrice, InvalidNumber, PnlPercent, Price, pnl_percent,
};
use bigdecimal::num_bigint::{BigInt, Sign};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (entry, exit) = text.split_once(' ').unwrap_or((text, text));
    read(entry);
    read(exit);
    let (Ok(entry), Ok(exit)) = (entry.parse::<Price>(), exit.parse::<ExitPrice>()) else { return };
    for action in [Action::Buy, Action::Sell] {
        let expected = steps(action, &exact(entry.as_str()), &exact(exit.as_str()));
        let found = pnl_percent(action, &entry, &exit);
        assert_eq!(
            found,
            expected.ok_or(InvalidNumber::BeyondBounds),
            "{action} {entry:?} {exit:?}"
        );
        if let Ok(pnl) = found {
            let shown = pnl.to_string();
            assert_eq!(shown.parse::<f64>(), Ok(pnl.as_double()), "{shown}");
            assert_eq!(serde_json::to_string(&pnl).expect("a number"), shown);
        }
    }
}

fn read(text: &str) {
    let (price, exit) = (text.parse::<Price>(), text.parse::<ExitPrice>());
    if let Ok(price) = &price {
        assert_eq!(price.as_str(), text);
        assert_eq!(serde_json::to_string(price).expect("a number"), text);
        let double: f64 = text.parse().expect("a number");
        assert!(double.is_finite() && double > 0.0);
        assert!(exit.is_ok());
    }
    if let Ok(exit) = &exit {
        assert_eq!(exit.as_str(), text);
        assert!(serde_json::from_str::<serde_json::Number>(text).is_ok());
    }
    if let Ok(confidence) = text.parse::<Confidence>() {
        assert_eq!(confidence.as_str(), text);
        assert!((0.0..=100.0).contains(&confidence.percent()));
        assert!(!text.starts_with('-'), "{text} is no percentage");
    }
}

/// A number as `integer / 10^power`.
fn exact(literal: &str) -> (BigInt, u32) {
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: BigInt = format!("{whole}{fraction}").parse().expect("digits");
    let power = i64::try_from(fraction.len()).expect("64 bytes at most")
        - exponent.parse::<i64>().expect("a number that fits a double, or zero");
    match u32::try_from(power) {
        _ if digits.sign() == Sign::NoSign => (digits, 0),
        Ok(power) => (digits, power),
        Err(_) => {
            let zeros = u32::try_from(-power).expect("the number fits a double");
            (digits * BigInt::from(10).pow(zeros), 0)
        }
    }
}

/// Steps of 10⁻⁸ percent, rounded half to even; `None` beyond the bound.
fn steps(action: Action, entry: &(BigInt, u32), exit: &(BigInt, u32)) -> Option<PnlPercent> {
    let power = entry.1.max(exit.1);
    let scaled = |(digits, own): &(BigInt, u32)| digits * BigInt::from(10).pow(power - own);
    let (entry, exit) = (scaled(entry), scaled(exit));
    let gain = if action == Action::Buy { &exit - &entry } else { &entry - &exit };
    let (sign, gain) = gain.into_parts();
    let (entry, gain) = (entry.magnitude(), gain * 100_u32 * PnlPercent::SCALE.unsigned_abs());
    let (mut steps, rest) = (&gain / entry, &gain % entry);
    let twice = rest * 2_u32;
    if twice > *entry || (twice == *entry && steps.bit(0)) {
        steps += 1_u32;
    }
    let steps = i64::try_from(BigInt::from_biguint(sign, steps)).ok()?;
    (steps.unsigned_abs() <= PnlPercent::MAX_STEPS.unsigned_abs())
        .then_some(PnlPercent::from_steps(steps))
}
