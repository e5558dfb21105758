//! What of the unsynced state a crash leaves behind.

/// Which unsynced changes survive a crash. What was synced survives in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// None: the disk had written nothing that it wasn't made to write.
    Nothing,
    /// All: as if only the process had died.
    Everything,
    /// A subset that depends on the seed alone: some changes whole, some not at all, some torn.
    Random {
        /// The same seed over the same history gives the same files.
        seed: u64,
    },
}

/// How much of one unsynced write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Nothing,
    Whole,
    /// Each sector is decided by itself.
    Torn,
}

/// Draws the decisions of one crash, in the order in which they are asked for.
#[derive(Debug)]
pub(super) struct Choice {
    survival: Survival,
    state: u64,
}

impl Choice {
    pub(super) fn new(survival: Survival) -> Self {
        let state = match survival {
            Survival::Random { seed } => seed,
            _ => 0,
        };
        Choice { survival, state }
    }

    /// Whether one change, or one sector, survives.
    pub(super) fn survives(&mut self) -> bool {
        match self.survival {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Random { .. } => self.draw() & 1 == 1,
        }
    }

    /// How much of a write survives: if single sectors were drawn throughout, whole long writes would
    /// practically never be seen.
    pub(super) fn extent(&mut self) -> Extent {
        match self.survival {
            Survival::Nothing => Extent::Nothing,
            Survival::Everything => Extent::Whole,
            Survival::Random { .. } => match self.draw() % 3 {
                0 => Extent::Nothing,
                1 => Extent::Whole,
                _ => Extent::Torn,
            },
        }
    }

    /// splitmix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
