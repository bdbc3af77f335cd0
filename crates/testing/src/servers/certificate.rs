//! A certificate authority and a server certificate for `localhost`, made for one run.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{
        X509, X509Builder, X509Name, X509NameBuilder,
        extension::{BasicConstraints, KeyUsage, SubjectAlternativeName},
    },
};

/// Where the PEM files are.
pub struct Certificate {
    /// The authority's certificate, for clients.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key, readable by its owner only.
    pub key: PathBuf,
}

/// Makes the three files in `folder`. The authority's own key is never written.
pub fn make(folder: &Path) -> Result<Certificate> {
    let authority_key = new_key()?;
    let authority_name = name("Alpine test authority")?;
    let mut builder = builder(&authority_name, &authority_name, &authority_key)?;
    builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
    builder.sign(&authority_key, MessageDigest::sha256())?;
    let authority = builder.build();

    let server_key = new_key()?;
    let mut builder = self::builder(&name("localhost")?, &authority_name, &server_key)?;
    let names = SubjectAlternativeName::new()
        .dns("localhost")
        .ip("127.0.0.1")
        .build(&builder.x509v3_context(Some(&authority), None))?;
    builder.append_extension(names)?;
    builder.sign(&authority_key, MessageDigest::sha256())?;
    let server = builder.build();

    let files = Certificate {
        authority: folder.join("authority.pem"),
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
    };
    write(&files.authority, &authority)?;
    write(&files.certificate, &server)?;
    write_private(&files.key, &server_key.private_key_to_pem_pkcs8()?)?;
    Ok(files)
}

fn new_key() -> Result<PKey<Private>> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&curve)?)?)
}

fn name(common_name: &str) -> Result<X509Name> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    Ok(name.build())
}

/// A certificate for two days, since a test run may cross midnight.
fn builder(subject: &X509Name, issuer: &X509Name, key: &PKey<Private>) -> Result<X509Builder> {
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(Asn1Integer::from_bn(&serial)?.as_ref())?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_pubkey(key)?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(2)?.as_ref())?;
    Ok(builder)
}

fn write(path: &Path, certificate: &X509) -> Result<()> {
    std::fs::write(path, certificate.to_pem()?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// PostgreSQL refuses a key that others may read.
fn write_private(path: &Path, pem: &[u8]) -> Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(pem)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use openssl::x509::{X509StoreContext, store::X509StoreBuilder};

    use super::*;

    #[test]
    fn the_server_certificate_is_trusted_through_the_authority_only() {
        let folder = tempfile::tempdir().unwrap();
        let files = make(folder.path()).unwrap();
        let read = |path: &Path| X509::from_pem(&std::fs::read(path).unwrap()).unwrap();
        let server = read(&files.certificate);
        let is_trusted = |authority: Option<X509>| {
            let mut store = X509StoreBuilder::new().unwrap();
            if let Some(authority) = authority {
                store.add_cert(authority).unwrap();
            }
            let store = store.build();
            let chain = openssl::stack::Stack::new().unwrap();
            let mut context = X509StoreContext::new().unwrap();
            context
                .init(&store, &server, &chain, openssl::x509::X509StoreContextRef::verify_cert)
                .unwrap()
        };
        assert!(is_trusted(Some(read(&files.authority))));
        assert!(!is_trusted(None));
    }
}
