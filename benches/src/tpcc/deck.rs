//! Which transaction is next: a deck of cards, shuffled again whenever it is used up (clause 5.2.4.2).
//!
//! Drawn from a deck, the shares of the mix are exact, whatever the five kinds cost; drawn by independent
//! dice they would wander. The standard deck has 23 cards: ten New-Orders, ten Payments and one each of the
//! others, which gives Payment 43.5 percent and each of the others 4.3, just above what clause 5.2.3 demands.

use crate::random::Random;
use serde::Serialize;
use std::str::FromStr;

/// The five kinds of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Enter an order (2.4).
    NewOrder,
    /// Take a payment (2.5).
    Payment,
    /// Ask for a customer's newest order (2.6).
    OrderStatus,
    /// Deliver the oldest order of each district (2.7).
    Delivery,
    /// Count recently sold items that run short (2.8).
    StockLevel,
}

impl Kind {
    /// All kinds, in the order in which the specification and all reports list them.
    pub const ALL: [Kind; 5] =
        [Kind::NewOrder, Kind::Payment, Kind::OrderStatus, Kind::Delivery, Kind::StockLevel];

    /// The kind's name, as the specification writes it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::NewOrder => "New-Order",
            Kind::Payment => "Payment",
            Kind::OrderStatus => "Order-Status",
            Kind::Delivery => "Delivery",
            Kind::StockLevel => "Stock-Level",
        }
    }

    /// The kind's short name, as it stands in a mix.
    fn short_name(self) -> &'static str {
        match self {
            Kind::NewOrder => "no",
            Kind::Payment => "p",
            Kind::OrderStatus => "os",
            Kind::Delivery => "d",
            Kind::StockLevel => "sl",
        }
    }
}

/// How many cards of each kind a deck has, in the order of [`Kind::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mix {
    cards: [u16; 5],
}

impl Mix {
    /// The standard mix: 10, 10, 1, 1, 1.
    pub const STANDARD: Mix = Mix { cards: [10, 10, 1, 1, 1] };

    /// The number of cards of a kind.
    pub fn cards_of(&self, kind: Kind) -> u16 {
        self.cards[kind as usize]
    }

    /// The share of a kind, from 0 to 1.
    pub fn share_of(&self, kind: Kind) -> f64 {
        f64::from(self.cards_of(kind)) / self.cards.iter().map(|&cards| f64::from(cards)).sum::<f64>()
    }
}

impl Default for Mix {
    fn default() -> Self {
        Mix::STANDARD
    }
}

impl std::fmt::Display for Mix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = Kind::ALL
            .into_iter()
            .filter(|&kind| self.cards_of(kind) > 0)
            .map(|kind| format!("{}={}", kind.short_name(), self.cards_of(kind)))
            .collect();
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Mix {
    type Err = String;

    /// Reads `no=50,p=50`: cards for no, p, os, d and sl; a kind that isn't named has none.
    fn from_str(text: &str) -> Result<Mix, String> {
        let mut mix = Mix { cards: [0; 5] };
        for part in text.split(',') {
            let explain = || {
                format!(
                    "'{part}' is not a share of the mix: write no=, p=, os=, d= or sl= and a number up to 1000"
                )
            };
            let (name, cards) = part.trim().split_once('=').ok_or_else(explain)?;
            let kind =
                Kind::ALL.into_iter().find(|kind| kind.short_name() == name.trim()).ok_or_else(explain)?;
            let cards = cards.trim().parse().ok().filter(|cards| *cards <= 1_000).ok_or_else(explain)?;
            if std::mem::replace(&mut mix.cards[kind as usize], cards) > 0 {
                return Err(format!("the mix names {} twice", kind.short_name()));
            }
        }
        if mix.cards.iter().all(|&cards| cards == 0) {
            return Err("the mix has no transaction at all".to_string());
        }
        Ok(mix)
    }
}

/// A deck of one thread.
#[derive(Clone, Debug)]
pub struct Deck {
    cards: Vec<Kind>,
    next: usize,
}

impl Deck {
    /// A deck with the cards of `mix`; the first draw shuffles it.
    pub fn new(mix: Mix) -> Deck {
        let cards: Vec<Kind> =
            Kind::ALL.into_iter().flat_map(|kind| vec![kind; usize::from(mix.cards_of(kind))]).collect();
        let next = cards.len();
        Deck { cards, next }
    }

    /// Draws a card, after shuffling the deck if it is used up.
    pub fn draw(&mut self, random: &mut Random) -> Kind {
        if self.next == self.cards.len() {
            random.shuffle(&mut self.cards);
            self.next = 0;
        }
        self.next += 1;
        self.cards[self.next - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_of_the_deck_has_exactly_the_mix() {
        let mut random = Random::new(31, 0);
        let mut deck = Deck::new(Mix::STANDARD);
        let mut rounds = Vec::new();
        for _ in 0..3 {
            let round: Vec<Kind> = (0..23).map(|_| deck.draw(&mut random)).collect();
            let counts = Kind::ALL.map(|kind| round.iter().filter(|&&drawn| drawn == kind).count());
            assert_eq!(counts, [10, 10, 1, 1, 1]);
            rounds.push(round);
        }
        assert!(rounds[0] != rounds[1] && rounds[1] != rounds[2], "every round is shuffled");
    }

    #[test]
    fn the_standard_mix_keeps_the_minimum_shares() {
        assert!(Mix::STANDARD.share_of(Kind::Payment) >= 0.43);
        for kind in [Kind::OrderStatus, Kind::Delivery, Kind::StockLevel] {
            assert!(Mix::STANDARD.share_of(kind) >= 0.04);
        }
    }

    #[test]
    fn mixes_are_read_and_written() {
        let mix: Mix = "no=50, p=50".parse().expect("a mix");
        assert_eq!((mix.cards_of(Kind::NewOrder), mix.cards_of(Kind::Payment)), (50, 50));
        assert_eq!(mix.cards_of(Kind::Delivery), 0);
        assert_eq!(mix.to_string(), "no=50,p=50");
        assert_eq!(Mix::STANDARD.to_string().parse(), Ok(Mix::STANDARD));
    }

    #[test]
    fn bad_mixes_say_what_is_wrong() {
        for (text, reason) in [
            ("", "not a share"),
            ("no", "not a share"),
            ("xx=1", "not a share"),
            ("no=-1", "not a share"),
            ("no=1001", "not a share"),
            ("no=1,no=2", "twice"),
            ("no=0,p=0", "no transaction"),
        ] {
            let error = text.parse::<Mix>().expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
