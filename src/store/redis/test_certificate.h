#pragma once
// For tests: a certificate that is its own authority, and its key, as files.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

namespace gw::store::redis {

struct TestCertificate {
  std::string certificate_file, key_file;

  /// For `names` as OpenSSL has them: `DNS:localhost`. Files `name`.pem and `name`.key in `folder`.
  TestCertificate(const std::string& folder, const std::string& name, const char* names)
      : certificate_file(folder + "/" + name + ".pem"), key_file(folder + "/" + name + ".key") {
    const std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)> key(::EVP_EC_gen("P-256"), ::EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&::X509_free)> cert(::X509_new(), ::X509_free);
    ::X509_set_version(cert.get(), 2);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(cert.get()), 1);
    ::X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
    ::X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3'600);
    ::X509_set_pubkey(cert.get(), key.get());
    X509_NAME* const subject = ::X509_get_subject_name(cert.get());
    ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                                 -1, 0);
    ::X509_set_issuer_name(cert.get(), subject);
    for (const auto& [nid, text] :
         {std::pair{NID_basic_constraints, "critical,CA:TRUE"}, std::pair{NID_subject_alt_name, names}}) {
      const std::unique_ptr<X509_EXTENSION, decltype(&::X509_EXTENSION_free)> made(
          ::X509V3_EXT_conf_nid(nullptr, nullptr, nid, text), ::X509_EXTENSION_free);
      EXPECT_EQ(::X509_add_ext(cert.get(), made.get(), -1), 1);
    }
    EXPECT_GT(::X509_sign(cert.get(), key.get(), ::EVP_sha256()), 0);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> c(std::fopen(certificate_file.c_str(), "wb"), std::fclose),
        k(std::fopen(key_file.c_str(), "wb"), std::fclose);
    EXPECT_EQ(::PEM_write_X509(c.get(), cert.get()), 1);
    EXPECT_EQ(::PEM_write_PrivateKey(k.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  }
};

}  // namespace gw::store::redis
