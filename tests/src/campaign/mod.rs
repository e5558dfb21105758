//! The crash campaign: a workload of everything that reaches the disk, crashed at every operation that changes
//! anything, in several ways each; recovered, judged; and crashed at every operation of that recovery.
//!
//! ```text
//! workload ──●──●──●──●──●──●──●──►          a point: one changing operation of the device
//!               │
//!               ├─ nothing ─────┐            what survives of the unsynced changes
//!               ├─ everything ──┤
//!               └─ random … ────┤
//!                               ▼
//!                            recovery ──●──●──●──► judged, worked on, reopened, judged
//!                                       │
//!                                       └─ each of these: the same once more
//! ```
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`model`] | what commits do, computed without the engine |
//! | [`record`] | what the engine has said, and when |
//! | [`work`] | the workload |
//! | [`observed`] | a device that is crashed at each operation while the work goes on |
//! | [`verdict`] | whether what is found is what was promised |
//! | [`run`] | the whole campaign |
//! | [`damage`] | files changed at rest |

pub mod damage;
pub mod model;
pub mod observed;
pub mod record;
pub mod run;
pub mod verdict;
pub mod work;
