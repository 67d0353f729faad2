//! What an alert is.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use time::OffsetDateTime;

/// A stored alert.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Alert {
    /// Number given by the database.
    pub id: i32,
    /// The user who is told.
    pub user_id: i32,
    /// The token whose price is watched, such as `BTC`.
    pub symbol: String,
    /// The side of the threshold that is of interest.
    #[sqlx(rename = "type", try_from = "String")]
    pub kind: AlertKind,
    /// The price, exact to eight decimals.
    pub threshold: Decimal,
    /// `active` until the alert is triggered.
    pub status: String,
    /// When the price crossed the threshold.
    pub triggered_at: Option<OffsetDateTime>,
    /// When the alert was stored.
    pub created_at: OffsetDateTime,
    /// When the alert last changed.
    pub updated_at: OffsetDateTime,
}

/// An alert to store.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAlert {
    /// The user who is told.
    pub user_id: i32,
    /// The token whose price is watched, such as `BTC`.
    pub symbol: String,
    /// The side of the threshold that is of interest.
    pub kind: AlertKind,
    /// The price, exact to eight decimals.
    pub threshold: Decimal,
}

/// The side of the threshold that is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertKind {
    /// The price rises above the threshold.
    Above,
    /// The price falls below the threshold.
    Below,
}

impl AlertKind {
    /// The kind as the column `type` stores it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AlertKind {
    type Err = UnknownAlertKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "above" => Ok(Self::Above),
            "below" => Ok(Self::Below),
            _ => Err(UnknownAlertKind(text.to_owned())),
        }
    }
}

impl TryFrom<String> for AlertKind {
    type Error = UnknownAlertKind;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The text names no kind of alert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of alert: it is neither `above` nor `below`")]
pub struct UnknownAlertKind(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_survives_the_way_through_text() {
        for kind in [AlertKind::Above, AlertKind::Below] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }

    #[test]
    fn another_word_is_no_kind() {
        assert_eq!(
            "beside".parse::<AlertKind>(),
            Err(UnknownAlertKind("beside".to_owned()))
        );
    }
}
