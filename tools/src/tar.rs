//! The files of a tar archive, one after another, as POSIX describes the format (`ustar`).

use anyhow::{Context, Result, bail, ensure};
use std::io::{self, Read};

const BLOCK: usize = 512;

/// Goes through an archive to its end. Of every regular file, `visit` gets the name, the length, and the content, of which it may leave some unread.
///
/// # Errors
/// What is no archive, or ends too early; and those of `visit`.
pub(crate) fn each_file(
    mut from: impl Read,
    mut visit: impl FnMut(&str, u64, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    loop {
        let mut header = [0; BLOCK];
        from.read_exact(&mut header).context("the archive breaks off")?;
        if header.iter().all(|byte| *byte == 0) {
            // What comes behind is not read by anybody, but damaged data before the end show there.
            io::copy(&mut from, &mut io::sink())?;
            return Ok(());
        }
        let Some((name, length)) = entry(&header) else { bail!("it is no tar archive") };
        let mut content = from.by_ref().take(length);
        // Links and folders have other marks, and no content.
        if matches!(header[156], b'0' | 0) {
            visit(&name, length, &mut content)?;
        }
        let padding = length.next_multiple_of(BLOCK as u64) - length;
        let left = content.limit() + padding;
        let skipped = io::copy(&mut from.by_ref().take(left), &mut io::sink())?;
        ensure!(skipped == left, "the archive ends within {name}");
    }
}

/// The name and the length of a file, if the header's sum is right.
fn entry(header: &[u8; BLOCK]) -> Option<(String, u64)> {
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(i, byte)| if (148..156).contains(&i) { 32 } else { u64::from(*byte) })
        .sum();
    if octal(&header[148..156])? != sum {
        return None;
    }
    let length = octal(&header[124..136])?;
    // So that rounding up to a block does not overflow.
    (length < 1 << 62).then(|| (text(&header[..100]), length))
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field).trim(), 8).ok()
}
