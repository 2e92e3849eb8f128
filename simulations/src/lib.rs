//! A deterministic world around the production replica.
