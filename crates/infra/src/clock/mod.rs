//! What time it is, whatever the machine's wall clock does.

mod discipline;
mod disciplined;
mod steady;

pub use discipline::ClockSettings;
pub use disciplined::DisciplinedClock;
pub use steady::MonotonicClock;
