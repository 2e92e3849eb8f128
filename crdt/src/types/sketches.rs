//! Sketches: approximate answers about many things in little space.

mod bloom;
mod bottom;
mod count_min;
mod hash;
mod heavy_hitters;
mod histogram;
mod hyper_log_log;
mod quantiles;
mod sample;
mod theta;

pub use bloom::BloomFilter;
pub use count_min::CountMin;
pub use heavy_hitters::HeavyHitters;
pub use histogram::Histogram;
pub use hyper_log_log::HyperLogLog;
pub use quantiles::Quantiles;
pub use sample::Sample;
pub use theta::Theta;
