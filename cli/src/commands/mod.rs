//! What the commands do. Each returns whether everything it checked was in order.

pub(crate) mod gc;
pub(crate) mod micro;
pub(crate) mod tpcc;
