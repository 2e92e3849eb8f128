//! Time: series and windows.
