#include "config/price_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace gw::config {
namespace {

/// At most one byte over the bound, so that the table refuses what is too large.
Result<std::string> read_file(const std::string& path) {
  const auto failed = [&] {
    return fail("pricing.file: cannot read " + in_quotes(path) + ": " + std::generic_category().message(errno));
  };
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return failed();
  if (!S_ISREG(info.st_mode)) return fail("pricing.file: " + in_quotes(path) + " is not a file");
  std::string text(std::min(static_cast<std::size_t>(info.st_size), provider::PriceTable::kMaxBytes) + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(file.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed();
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  text.resize(size);
  return text;
}

}  // namespace

Result<std::shared_ptr<const provider::PriceTable>> load_prices(const PricingConfig& pricing) {
  if (pricing.file.empty()) return provider::PriceTable::built_in(pricing.overrides);
  if (auto ok = provider::PriceTable::check(pricing.overrides); !ok) return tl::make_unexpected(ok.error());
  const auto text = read_file(pricing.file);
  if (!text) return tl::make_unexpected(text.error());
  auto table = provider::PriceTable::parse(*text, pricing.overrides, true);
  if (!table) return fail("pricing.file: " + in_quotes(pricing.file) + ": " + table.error().message);
  return table;
}

}  // namespace gw::config
