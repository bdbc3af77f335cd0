//! A migration that was added must be embedded, though no Rust file changed.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
