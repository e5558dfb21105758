//! A sample of the crash campaign. The whole of it is the binary `crash-campaign`.

mod crashes;
