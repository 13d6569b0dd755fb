// For tokens.test.mjs: reads texts from stdin, each with its size in four bytes, little end first, and prints the
// tokens of each on a line. Argument: the encoding.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "provider/bpe.h"

int main(int argc, char** argv) {
  using namespace gw::provider;
  const Encoding encoding = argc > 1 && std::string(argv[1]) == "cl100k" ? Encoding::cl100k : Encoding::o200k;
  const TokenizerSet tokenizers;
  std::string text;
  std::vector<std::uint32_t> ranks;
  for (unsigned char head[4]; std::fread(head, 1, 4, stdin) == 4;) {
    text.resize(head[0] | head[1] << 8 | head[2] << 16 | static_cast<std::size_t>(head[3]) << 24);
    if (std::fread(text.data(), 1, text.size(), stdin) != text.size()) return 1;
    ranks.clear();
    encode(encoding, tokenizers.get(encoding), text, &ranks);
    for (const std::uint32_t r : ranks) std::printf("%u ", r);
    std::printf("\n");
  }
  return 0;
}
