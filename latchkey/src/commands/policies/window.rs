//! Windows of a schedule as people write them: `sat-sun=12h`, `mon,wed-fri@08:00-18:00=1h`.

use proto::session::v1::IdleWindow;
use svc_kit::config::HumanDuration;

use super::show::human;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Reads a window.
///
/// # Errors
/// Says what is accepted.
pub fn window(text: &str) -> Result<IdleWindow, String> {
    let refused = || format!("{text:?} is not a window such as sat-sun=12h or mon-fri@08:00-18:00=1h");
    let (when, timeout) = text.split_once('=').ok_or_else(refused)?;
    let (days, hours) = when.split_once('@').unwrap_or((when, "00:00-24:00"));
    let (from, until) = hours.split_once('-').ok_or_else(refused)?;
    let timeout: HumanDuration = timeout.parse().map_err(|_| refused())?;
    Ok(IdleWindow {
        days: days.split(',').map(span).collect::<Option<Vec<_>>>().ok_or_else(refused)?.concat(),
        from: from.to_owned(),
        until: until.to_owned(),
        idle_timeout: Some(timeout.0.try_into().map_err(|_| refused())?),
    })
}

/// The numbers of a day, or of the days from one to another.
fn span(text: &str) -> Option<Vec<i32>> {
    let number = |name: &str| DAYS.iter().position(|day| *day == name).and_then(|day| i32::try_from(day + 1).ok());
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then(|| (first..=last).collect())
}

/// Writes a window.
pub fn written(window: &IdleWindow) -> String {
    let name = |day: &i32| usize::try_from(day - 1).ok().and_then(|day| DAYS.get(day).copied()).unwrap_or("?");
    let days: Vec<_> = window.days.iter().map(name).collect();
    let hours = match (window.from.as_str(), window.until.as_str()) {
        ("00:00", "24:00") => String::new(),
        (from, until) => format!("@{from}-{until}"),
    };
    format!("{}{hours}={}", days.join(","), human(window.idle_timeout.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_written() {
        for (text, written_text) in [
            ("sat-sun=12h", "sat,sun=12h"),
            ("mon,wed-fri@08:00-18:00=90m", "mon,wed,thu,fri@08:00-18:00=90m"),
            ("tue=30s", "tue=30s"),
        ] {
            assert_eq!(window(text).map(|window| written(&window)), Ok(written_text.to_owned()));
        }
        for text in ["", "sat", "sat=", "sat=12", "sun-sat=1h", "sat@8=1h", "sabbath=1h"] {
            assert!(window(text).unwrap_err().contains("mon-fri@08:00-18:00=1h"), "{text:?}");
        }
    }
}
