//! Links the program at a fixed address: 76,000 relocations are then made once, by the linker, instead of at every start.
//! Their pages were half of what a short command like `landfall render` spent (dev/bench/render/README.md).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
