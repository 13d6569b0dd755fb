#include "config/schema.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>

#include "config/config.h"
#include "config/numbers.h"

namespace gw::config {
namespace {

/// Specialised below for each struct, children before parents.
template <class S>
constexpr Section kSection{};

template <class C, class M>
C owner_of(M C::*);
template <class C, class M>
M type_of(M C::*);

template <class T>
struct is_list : std::false_type {};
template <class T>
struct is_list<std::vector<T>> : std::true_type {};

template <class M>
constexpr KeyType key_type() {
  if constexpr (std::is_same_v<M, std::int64_t>) return KeyType::integer;
  if constexpr (std::is_same_v<M, double>) return KeyType::number;
  if constexpr (std::is_same_v<M, bool>) return KeyType::boolean;
  if constexpr (std::is_same_v<M, std::string>) return KeyType::text;
  if constexpr (std::is_same_v<M, std::vector<std::string>>) return KeyType::text_list;
  if constexpr (std::is_same_v<M, std::vector<HeaderConfig>>) return KeyType::header_map;
  if constexpr (is_list<M>::value) return KeyType::section_list;
  return KeyType::section;
}

constexpr std::string_view type_name(KeyType type) {
  switch (type) {
    case KeyType::integer:
      return "int";
    case KeyType::number:
      return "float64";
    case KeyType::boolean:
      return "bool";
    case KeyType::text:
      return "string";
    case KeyType::text_list:
      return "[]string";
    case KeyType::header_map:
      return "map[string]string";
    default:
      return "";  // sections print their label
  }
}

template <auto Member>
constexpr Field field(std::string_view key, std::string_view printed = {}) {
  using Owner = decltype(owner_of(Member));
  using M = decltype(type_of(Member));
  constexpr KeyType type = key_type<M>();
  Field out{key, type, printed.empty() ? type_name(type) : printed,
            [](void* section) -> void* { return &(static_cast<Owner*>(section)->*Member); },
            [](void* to, const void* from) { *static_cast<M*>(to) = *static_cast<const M*>(from); }};
  if constexpr (type == KeyType::section) out.child = &kSection<M>;
  if constexpr (type == KeyType::section_list) {
    out.child = &kSection<typename M::value_type>;
    out.append = [](void* list) -> void* { return &static_cast<M*>(list)->emplace_back(); };
    out.clear = [](void* list) { static_cast<M*>(list)->clear(); };
    out.elements = [](void* list) {
      std::vector<void*> all;
      for (auto& element : *static_cast<M*>(list)) all.push_back(&element);
      return all;
    };
  }
  return out;
}

constexpr std::array kTls{field<&TlsConfig::cert>("cert"), field<&TlsConfig::key>("key")};
template <>
constexpr Section kSection<TlsConfig>{"config.ServerTLSConfig", kTls};

constexpr std::array kServer{
    field<&ServerConfig::host>("host"),
    field<&ServerConfig::port>("port"),
    field<&ServerConfig::max_header_bytes>("max_header_bytes"),
    field<&ServerConfig::header_timeout_ms>("header_timeout_ms"),
    field<&ServerConfig::idle_timeout_ms>("idle_timeout_ms"),
    field<&ServerConfig::max_connections>("max_connections"),
    field<&ServerConfig::workers>("workers"),
    field<&ServerConfig::drain_timeout_ms>("drain_timeout_ms"),
    field<&ServerConfig::drain_delay_ms>("drain_delay_ms"),
    field<&ServerConfig::tls>("tls"),
};
template <>
constexpr Section kSection<ServerConfig>{"config.ServerConfig", kServer};

constexpr std::array kStorage{
    field<&StorageConfig::driver>("driver"),
    field<&StorageConfig::path>("path"),
    field<&StorageConfig::dsn>("dsn"),
    field<&StorageConfig::listen_dsn>("listen_dsn"),
    field<&StorageConfig::retention_days>("retention_days"),
    field<&StorageConfig::bodies_retention_days>("bodies_retention_days"),
    field<&StorageConfig::max_bytes>("max_bytes"),
};
template <>
constexpr Section kSection<StorageConfig>{"config.StorageConfig", kStorage};

constexpr std::array kProvider{
    field<&ProviderConfig::kind>("kind"),
    field<&ProviderConfig::upstream>("upstream"),
    field<&ProviderConfig::prefix>("prefix"),
    field<&ProviderConfig::connect_timeout_ms>("connect_timeout_ms"),
    field<&ProviderConfig::idle_timeout_ms>("idle_timeout_ms"),
    field<&ProviderConfig::pool_idle_timeout_ms>("pool_idle_timeout_ms"),
    field<&ProviderConfig::max_idle_connections>("max_idle_connections"),
    field<&ProviderConfig::headers>("headers"),
    field<&ProviderConfig::credential_env>("credential_env"),
    field<&ProviderConfig::credential_file>("credential_file"),
    field<&ProviderConfig::credential_header>("credential_header"),
};
template <>
constexpr Section kSection<ProviderConfig>{
    .label = "config.ProviderConfig", .fields = kProvider, .set_line = [](void* section, int line) {
      static_cast<ProviderConfig*>(section)->line = line;
    }};

/// A name stands in paths, labels and query parameters, so it is plain; one that YAML reads as something else is a
/// slip.
bool is_provider_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto usable = [&](char c) { return plain(c) || c == '-' || c == '_'; };
  if (name.empty() || name.size() > 64 || !plain(name.front())) return false;
  if (!std::all_of(name.begin(), name.end(), usable)) return false;
  if (name == "null" || parse_yaml_bool(name, true) || parse_yaml_int(name) || parse_yaml_float(name)) return false;
  return name != "api" && name != "other" && name != "unknown";
}

constexpr NamedPart kNamedProviders{
    .child = &kSection<ProviderConfig>,
    .required = "kind",
    .hint = "a provider of your own needs kind: openai or anthropic",
    .accepts = is_provider_name,
    .expected =
        "a name of 1 to 64 characters a-z, 0-9, '-' and '_', first a letter or digit, not a number, true, false, "
        "yes, no, on, off or null; api, other and unknown are taken",
    .append = [](void* section, std::string_view name) -> void* {
      return &static_cast<ProvidersConfig*>(section)->named.emplace_back(
          ProviderConfig{.name = std::string(name), .kind = {}, .upstream = {}, .prefix = "/" + std::string(name)});
    },
    .entries =
        [](void* section) {
          auto& named = static_cast<ProvidersConfig*>(section)->named;
          std::vector<std::pair<std::string_view, void*>> out;
          out.reserve(named.size());
          for (ProviderConfig& p : named) out.emplace_back(p.name, &p);
          return out;
        }};

constexpr std::array kProviders{
    field<&ProvidersConfig::openai>("openai"),
    field<&ProvidersConfig::anthropic>("anthropic"),
};
template <>
constexpr Section kSection<ProvidersConfig>{
    .label = "config.ProvidersConfig", .fields = kProviders, .named = &kNamedProviders};

constexpr std::array kTracing{
    field<&TracingConfig::capture_bodies>("capture_bodies"),
    field<&TracingConfig::body_max_size>("body_max_size"),
};
template <>
constexpr Section kSection<TracingConfig>{"config.TracingConfig", kTracing};

constexpr std::array kTrace{
    field<&TraceConfig::ring_path>("ring_path"),
    field<&TraceConfig::ring_bytes>("ring_bytes"),
    field<&TraceConfig::spill_bytes>("spill_bytes"),
    field<&TraceConfig::sync_interval_ms>("sync_interval_ms"),
};
template <>
constexpr Section kSection<TraceConfig>{"config.TraceConfig", kTrace};

using provider::PriceOverride;
constexpr std::array kPriceOverride{
    field<&PriceOverride::provider>("provider"),
    field<&PriceOverride::model>("model"),
    field<&PriceOverride::service_tier>("service_tier"),
    field<&PriceOverride::effective_from>("effective_from"),
    field<&PriceOverride::input>("input"),
    field<&PriceOverride::output>("output"),
    field<&PriceOverride::cache_read>("cache_read"),
    field<&PriceOverride::cache_write_5m>("cache_write_5m"),
    field<&PriceOverride::cache_write_1h>("cache_write_1h"),
    field<&PriceOverride::input_audio>("input_audio"),
    field<&PriceOverride::output_audio>("output_audio"),
    field<&PriceOverride::input_image>("input_image"),
    field<&PriceOverride::output_image>("output_image"),
    field<&PriceOverride::cache_read_audio>("cache_read_audio"),
    field<&PriceOverride::cache_read_image>("cache_read_image"),
    field<&PriceOverride::reasoning>("reasoning"),
    field<&PriceOverride::web_search_per_1k>("web_search_per_1k"),
    field<&PriceOverride::file_search_per_1k>("file_search_per_1k"),
    field<&PriceOverride::code_execution_per_1k>("code_execution_per_1k"),
    field<&PriceOverride::request_per_1k>("request_per_1k"),
    field<&PriceOverride::audio_minute>("audio_minute"),
};
template <>
constexpr Section kSection<PriceOverride>{"config.PriceOverrideConfig", kPriceOverride};

constexpr std::array kPricing{
    field<&PricingConfig::file>("file"),
    field<&PricingConfig::overrides>("overrides", "[]config.PriceOverrideConfig"),
};
template <>
constexpr Section kSection<PricingConfig>{"config.PricingConfig", kPricing};

constexpr std::array kAccounting{
    field<&AccountingConfig::include_usage>("include_usage"),
    field<&AccountingConfig::inject_max_bytes>("inject_max_bytes"),
    field<&AccountingConfig::drain_ms>("drain_ms"),
};
template <>
constexpr Section kSection<AccountingConfig>{"config.AccountingConfig", kAccounting};

constexpr std::array kOtel{
    field<&OtelConfig::enabled>("enabled"),
    field<&OtelConfig::endpoint>("endpoint"),
    field<&OtelConfig::insecure>("insecure"),
    field<&OtelConfig::service_name>("service_name"),
    field<&OtelConfig::traces_enabled>("traces_enabled"),
    field<&OtelConfig::metrics_enabled>("metrics_enabled"),
    field<&OtelConfig::logs_enabled>("logs_enabled"),
    field<&OtelConfig::semconv>("semconv"),
    field<&OtelConfig::prometheus_enabled>("prometheus_enabled"),
    field<&OtelConfig::prometheus_path>("prometheus_path"),
    field<&OtelConfig::sampling_ratio>("sampling_ratio"),
    field<&OtelConfig::export_timeout_ms>("export_timeout_ms"),
    field<&OtelConfig::metric_export_interval_ms>("metric_export_interval_ms"),
};
template <>
constexpr Section kSection<OtelConfig>{"config.OTelConfig", kOtel};

constexpr std::array kObservability{field<&ObservabilityConfig::otel>("otel")};
template <>
constexpr Section kSection<ObservabilityConfig>{"config.ObservabilityConfig", kObservability};

constexpr std::array kPiiStages{
    field<&PiiStagesConfig::request_headers>("request_headers"),
    field<&PiiStagesConfig::request_body>("request_body"),
    field<&PiiStagesConfig::response_headers>("response_headers"),
    field<&PiiStagesConfig::response_body>("response_body"),
};
template <>
constexpr Section kSection<PiiStagesConfig>{"config.PIIStagesConfig", kPiiStages};

constexpr std::array kPiiDetectors{
    field<&PiiDetectorsConfig::email>("email"),
    field<&PiiDetectorsConfig::phone>("phone"),
    field<&PiiDetectorsConfig::ssn>("ssn"),
    field<&PiiDetectorsConfig::token_like>("token_like"),
    field<&PiiDetectorsConfig::phone_bare_digits>("phone_bare_digits"),
    field<&PiiDetectorsConfig::phone_international>("phone_international"),
    field<&PiiDetectorsConfig::ssn_ranges>("ssn_ranges"),
    field<&PiiDetectorsConfig::provider_keys>("provider_keys"),
    field<&PiiDetectorsConfig::private_keys>("private_keys"),
    field<&PiiDetectorsConfig::jwt>("jwt"),
    field<&PiiDetectorsConfig::payment_card>("payment_card"),
    field<&PiiDetectorsConfig::iban>("iban"),
    field<&PiiDetectorsConfig::ip_address>("ip_address"),
};
template <>
constexpr Section kSection<PiiDetectorsConfig>{"config.PIIDetectorsConfig", kPiiDetectors};

constexpr std::array kPiiHeaders{field<&PiiHeadersConfig::denylist>("denylist")};
template <>
constexpr Section kSection<PiiHeadersConfig>{"config.PIIHeadersConfig", kPiiHeaders};
constexpr std::array kPiiBody{field<&PiiBodyConfig::key_denylist>("key_denylist")};
template <>
constexpr Section kSection<PiiBodyConfig>{"config.PIIBodyConfig", kPiiBody};
constexpr std::array kPiiReplacement{
    field<&PiiReplacementConfig::format>("format"),
    field<&PiiReplacementConfig::hash_salt>("hash_salt"),
};
template <>
constexpr Section kSection<PiiReplacementConfig>{"config.PIIReplacementConfig", kPiiReplacement};

constexpr std::array kPiiScopeMatch{
    field<&PiiScopeMatchConfig::org_id>("org_id"),
    field<&PiiScopeMatchConfig::workspace_id>("workspace_id"),
    field<&PiiScopeMatchConfig::key_id>("key_id"),
    field<&PiiScopeMatchConfig::provider>("provider"),
    field<&PiiScopeMatchConfig::route_prefix>("route_prefix"),
};
template <>
constexpr Section kSection<PiiScopeMatchConfig>{"config.PIIScopeMatchConfig", kPiiScopeMatch};

constexpr std::array kPiiScope{
    field<&PiiScopeConfig::match>("match"),
    field<&PiiScopeConfig::mode>("mode"),
    field<&PiiScopeConfig::policy_id>("policy_id"),
};
template <>
constexpr Section kSection<PiiScopeConfig>{"config.PIIScopeConfig", kPiiScope};

constexpr std::array kPiiPattern{
    field<&PiiPatternConfig::name>("name"),
    field<&PiiPatternConfig::regex>("regex"),
    field<&PiiPatternConfig::validator>("validator"),
};
template <>
constexpr Section kSection<PiiPatternConfig>{"config.PIIPatternConfig", kPiiPattern};

constexpr std::array kPii{
    field<&PiiConfig::mode>("mode"),
    field<&PiiConfig::response>("response"),
    field<&PiiConfig::policy_id>("policy_id"),
    field<&PiiConfig::stages>("stages"),
    field<&PiiConfig::detectors>("detectors"),
    field<&PiiConfig::headers>("headers"),
    field<&PiiConfig::body>("body"),
    field<&PiiConfig::replacement>("replacement"),
    field<&PiiConfig::patterns>("patterns", "[]config.PIIPatternConfig"),
    field<&PiiConfig::scopes>("scopes", "[]config.PIIScopeConfig"),
};
template <>
constexpr Section kSection<PiiConfig>{"config.PIIConfig", kPii};

constexpr std::array kGatewayKey{
    field<&GatewayKeyConfig::id>("id"),
    field<&GatewayKeyConfig::token>("token"),
    field<&GatewayKeyConfig::org_id>("org_id"),
    field<&GatewayKeyConfig::workspace_id>("workspace_id"),
    field<&GatewayKeyConfig::team>("team"),
    field<&GatewayKeyConfig::name>("name"),
    field<&GatewayKeyConfig::description>("description"),
    field<&GatewayKeyConfig::created_by>("created_by"),
    field<&GatewayKeyConfig::role>("role"),
    field<&GatewayKeyConfig::permissions>("permissions"),
};
template <>
constexpr Section kSection<GatewayKeyConfig>{"config.GatewayKeyConfig", kGatewayKey};

constexpr std::array kAuth{
    field<&AuthConfig::enabled>("enabled"),
    field<&AuthConfig::header>("header"),
    field<&AuthConfig::failure_delay_ms>("failure_delay_ms"),
    field<&AuthConfig::stale_keys_ms>("stale_keys_ms"),
    field<&AuthConfig::keys>("keys", "[]config.GatewayKeyConfig"),
};
template <>
constexpr Section kSection<AuthConfig>{"config.AuthConfig", kAuth};

constexpr std::array kUsageLimit{
    field<&UsageLimitConfig::requests_per_minute>("requests_per_minute"),
    field<&UsageLimitConfig::max_tokens_per_day>("max_tokens_per_day", "int64"),
    field<&UsageLimitConfig::max_cost_usd_per_day>("max_cost_usd_per_day"),
    field<&UsageLimitConfig::tokens_per_minute>("tokens_per_minute"),
    field<&UsageLimitConfig::max_cost_usd_per_month>("max_cost_usd_per_month"),
    field<&UsageLimitConfig::concurrent_requests>("concurrent_requests"),
};
template <>
constexpr Section kSection<UsageLimitConfig>{"config.UsageLimitConfig", kUsageLimit};

bool is_model_pattern(std::string_view name) {
  return !name.empty() && name.size() <= 256 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

constexpr NamedPart kModelLimits{
    .child = &kSection<UsageLimitConfig>,
    .required = "",
    .hint = "",
    .accepts = is_model_pattern,
    .expected = "the name of a model, with * for any run of characters, in 1 to 256 visible ASCII characters",
    .append = [](void* section, std::string_view name) -> void* {
      return &static_cast<ModelLimitsConfig*>(section)->list.emplace_back(std::string(name), UsageLimitConfig{}).limits;
    },
    .entries =
        [](void* section) {
          std::vector<std::pair<std::string_view, void*>> out;
          for (ModelLimitConfig& m : static_cast<ModelLimitsConfig*>(section)->list)
            out.emplace_back(m.model, &m.limits);
          return out;
        }};
template <>
constexpr Section kSection<ModelLimitsConfig>{
    .label = "config.ModelLimitsConfig", .fields = {}, .named = &kModelLimits};

constexpr std::array kLimits{
    field<&LimitsConfig::per_key>("per_key"),
    field<&LimitsConfig::per_workspace>("per_workspace"),
    field<&LimitsConfig::per_org>("per_org"),
    field<&LimitsConfig::per_model>("per_model"),
    field<&LimitsConfig::redis_url>("redis_url"),
    field<&LimitsConfig::default_output_reserve>("default_output_reserve"),
    field<&LimitsConfig::hold_max_bytes>("hold_max_bytes"),
};
template <>
constexpr Section kSection<LimitsConfig>{"config.LimitsConfig", kLimits};

constexpr std::array kLog{
    field<&LogConfig::level>("level"),
    field<&LogConfig::format>("format"),
    field<&LogConfig::access_sample_ratio>("access_sample_ratio"),
};
template <>
constexpr Section kSection<LogConfig>{"config.LogConfig", kLog};

constexpr std::array kRoot{
    field<&Config::server>("server"),
    field<&Config::storage>("storage"),
    field<&Config::providers>("providers"),
    field<&Config::tracing>("tracing"),
    field<&Config::trace>("trace"),
    field<&Config::pricing>("pricing"),
    field<&Config::accounting>("accounting"),
    field<&Config::observability>("observability"),
    field<&Config::pii>("pii"),
    field<&Config::auth>("auth"),
    field<&Config::limits>("limits"),
    field<&Config::log>("log"),
};
template <>
constexpr Section kSection<Config>{"config.Config", kRoot};

void collect(const Section& section, const std::string& prefix, std::vector<KeyPath>& out) {
  for (const Field& f : section.fields) {
    const std::string path = prefix + std::string(f.key);
    out.push_back({path, f.type});
    if (f.type == KeyType::section) collect(*f.child, path + ".", out);
    if (f.type == KeyType::section_list) collect(*f.child, path + "[].", out);
  }
  if (section.named != nullptr) collect(*section.named->child, prefix + "<name>.", out);
}

}  // namespace

const Section& root_section() { return kSection<Config>; }

std::vector<KeyPath> all_keys() {
  std::vector<KeyPath> out;
  collect(root_section(), "", out);
  return out;
}

}  // namespace gw::config
