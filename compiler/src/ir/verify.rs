//! What every pass may rely on, checked between passes.
