//! When each instruction runs: the rounds of a block.
