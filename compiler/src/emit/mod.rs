//! From scheduled blocks to bytecode: views, buffers, instructions.
