//! A text as a QR code, as a picture that stands in its own address.

use std::io::Write as _;

use alpine_domain::Error;
use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, Crc, write::ZlibEncoder};
use qrcodegen::{QrCode, QrCodeEcc};

use crate::problem::Result;

/// Pixels of one module, in each direction.
const SCALE: usize = 4;

/// Light modules around the code (ISO/IEC 18004, section 6.3.8).
const MARGIN: usize = 4;

/// `data:image/png;base64,…` (RFC 2397).
///
/// # Errors
/// 500 for a text that is too long, which no URI of an authenticator is.
pub(super) fn data_uri(text: &str) -> Result<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).map_err(Error::internal)?;
    let png = png(&code).map_err(Error::internal)?;
    Ok(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)))
}

/// A grey picture of one bit a pixel (PNG, ISO/IEC 15948). The `png` crate would bring a second version of
/// its inflater.
fn png(code: &QrCode) -> std::io::Result<Vec<u8>> {
    let modules = usize::try_from(code.size()).unwrap_or(0) + 2 * MARGIN;
    let pixels = modules * SCALE;
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::default());
    for y in 0..pixels {
        let mut row = vec![0_u8; pixels.div_ceil(8)];
        for x in (0..pixels).filter(|x| is_light(code, x / SCALE, y / SCALE)) {
            row[x / 8] |= 0x80 >> (x % 8);
        }
        // Not filtered.
        rows.write_all(&[0])?;
        rows.write_all(&row)?;
    }
    let side = u32::try_from(pixels).unwrap_or(0).to_be_bytes();
    // One bit, grey, the only methods there are, not interlaced.
    let header = [&side[..], &side, &[1, 0, 0, 0, 0]].concat();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut out, *b"IHDR", &header);
    chunk(&mut out, *b"IDAT", &rows.finish()?);
    chunk(&mut out, *b"IEND", &[]);
    Ok(out)
}

/// Whether the module is light, counted with the margin; those outside are.
fn is_light(code: &QrCode, x: usize, y: usize) -> bool {
    let place = |at: usize| at.checked_sub(MARGIN).and_then(|at| i32::try_from(at).ok());
    place(x).zip(place(y)).is_none_or(|(x, y)| !code.get_module(x, y))
}

fn chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).unwrap_or(0);
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    out.extend(length.to_be_bytes());
    out.extend(kind);
    out.extend(data);
    out.extend(crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Every pixel of the picture, read back by the format's own rules, is that of the code.
    #[test]
    fn the_picture_shows_the_code() {
        let text = "otpauth://totp/Alpine:ada%40example.com?secret=GEZDGNBVGY3TQOJQ&issuer=Alpine";
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).unwrap();
        let uri = data_uri(text).unwrap();
        let png =
            BASE64_STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap();
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let (kind, data) = (&rest[4..8], &rest[8..8 + length]);
            let mut crc = Crc::new();
            crc.update(&rest[4..8 + length]);
            assert_eq!(crc.sum().to_be_bytes(), rest[8 + length..12 + length]);
            chunks.push((kind.to_vec(), data.to_vec()));
            rest = &rest[12 + length..];
        }
        let kinds: Vec<&[u8]> = chunks.iter().map(|(kind, _)| &kind[..]).collect();
        assert_eq!(kinds, [b"IHDR", b"IDAT", b"IEND"]);
        let side = (usize::try_from(code.size()).unwrap() + 8) * 4;
        let bytes = u32::try_from(side).unwrap().to_be_bytes();
        assert_eq!(chunks[0].1, [&bytes[..], &bytes, &[1, 0, 0, 0, 0]].concat());
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&chunks[1].1[..]).read_to_end(&mut rows).unwrap();
        let width = side.div_ceil(8) + 1;
        assert_eq!(rows.len(), width * side);
        for (y, row) in rows.chunks(width).enumerate() {
            assert_eq!(row[0], 0);
            for x in 0..side {
                let is_dark = row[1 + x / 8] & (0x80 >> (x % 8)) == 0;
                let module = |at: usize| i32::try_from(at / 4).unwrap() - 4;
                assert_eq!(is_dark, code.get_module(module(x), module(y)), "{x} {y}");
            }
        }
    }
}
