//! Nothing of its own: what is used is the dependency, as compiled.
