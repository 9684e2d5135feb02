// What clients and files tell the uplink: addresses, forms of the configuration, backlogs, states, counters. What is read must
// read back the same from what is written.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "services/config/forms.hpp"
#include "services/uplink/client/wire.hpp"
#include "services/uplink/usage.hpp"

namespace config = services::config;
namespace client = services::uplink::client;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    if (const auto url = config::parse_url(text)) {
        const auto again = config::parse_url(url->scheme + "://" + url->authority() + url->target);
        if (!again || again->host != url->host || again->port != url->port || again->target != url->target) std::abort();
    }
    if (const auto window = config::parse_window(text); window && (window->days == 0 || window->end_minute > 1440)) std::abort();
    config::parse_host_port(text);
    config::parse_rate(text);
    config::parse_bytes(text);
    config::parse_duration(text);
    if (const auto backlog = client::backlog_of(text); backlog && !client::backlog_of(client::to_json(*backlog))) std::abort();
    if (const auto states = client::states_of(text)) {
        const auto line = client::to_line(*states);
        if (line.size() <= client::event_bytes_max && !client::states_of(line)) std::abort();
    }
    services::uplink::Usage usage({});
    if (usage.restore(text) && !services::uplink::Usage({}).restore(usage.text())) std::abort();
    return 0;
}
