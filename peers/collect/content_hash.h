#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <openssl/evp.h>

#include "peers/collect/archive.h"

namespace peerstage::peers::collect {

/// SHA-1 of bytes as they come; one can be used for many files.
class ContentHash {
 public:
  ContentHash();
  void begin();
  void add(std::span<const std::byte> bytes);
  ContentSum finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace peerstage::peers::collect
