#include <string>
#include <vector>

#include "app/control_socket.h"
#include "app/reprice.h"
#include "app/server.h"
#include "app/stores.h"
#include "app/wiring.h"
#include "cli/run.h"

#ifndef GW_VERSION
#define GW_VERSION "dev"
#define GW_COMMIT "none"
#define GW_DATE "unknown"
#endif

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  gw::cli::Handlers handlers;
  handlers.version = std::string(GW_VERSION) + " (" GW_COMMIT ", " GW_DATE ")";
  handlers.serve = [&](const gw::config::Config& config, const std::string& path) {
    return gw::app::serve(config, path, handlers.version);
  };
  handlers.check = gw::app::check_servable;
  handlers.reprice = gw::app::reprice;
  handlers.open_store = gw::app::open_store;
  handlers.without_tables = gw::app::without_tables;
  handlers.open_source = gw::app::open_source;
  handlers.open_target = gw::app::open_target;
  handlers.backup = gw::app::backup;
  handlers.erase = gw::app::erase;
  handlers.reload = gw::app::ask_to_reload;
  handlers.open_keys = gw::app::open_keys;
  handlers.demo = [&](bool once) { return gw::app::demo(once, handlers.version); };
  return gw::cli::run(args, handlers);
}
