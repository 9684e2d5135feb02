#include "services/uplink/settings.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include "hal/base/bytes.hpp"

namespace services::uplink {
namespace {

namespace json = boost::json;

// Where a destination's section says its address. `logs` may have two engines.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> places{
    {{"kube", "hub"}, {"objects", "endpoint"}, {"queue", "uri"}, {"metrics", "remote_write"}, {"logs", "elasticsearch"}, {"logs", "loki"}}};

const json::object* section_at(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    return found && found->is_object() ? &found->get_object() : nullptr;
}

std::string text_at(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    return found && found->is_string() ? std::string(found->get_string()) : "";
}

class Reader {
public:
    Reader(const json::object& section, const std::map<std::string, std::string>& files) : section_(section), files_(files) {}

    Settings read() {
        for (const auto& [name, key] : places) read_destination(name, key);
        read_proxy();
        read_budget();
        return std::move(settings_);
    }

private:
    void problem(std::string text) { settings_.problems.push_back("upstream: " + std::move(text)); }

    // What stands in the file that `key` names; the line's end does not belong to a secret.
    std::string file_at(const json::object& object, const std::string& path, std::string_view key) {
        const auto name = text_at(object, key);
        if (name.empty()) return "";
        const auto it = files_.find("upstream." + path + "." + std::string(key));
        if (it == files_.end()) {
            problem("'" + path + "." + std::string(key) + "': " + name + " cannot be read");
            return "";
        }
        auto text = it->second;
        if (!key.starts_with("ca_") && !key.starts_with("client_"))
            while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
        return text;
    }

    void read_destination(std::string_view name, std::string_view key) {
        const auto* own = section_at(section_, name);
        const auto address = own ? text_at(*own, key) : "";
        if (address.empty()) return;
        const std::string path(name);
        const auto url = config::parse_url(address);
        if (!url) return problem("'" + path + "." + std::string(key) + "' is '" + address + "', which is no address such as https://hq.example:9000");
        Destination destination{path, *url, {}};
        auto& credentials = destination.credentials;
        const auto user = text_at(*own, "user"), password = file_at(*own, path, "password_file"), bearer = file_at(*own, path, "bearer_token_file");
        if (!user.empty() && !bearer.empty()) problem("'" + path + "' has a user and a bearer token; the user is used");
        if (!user.empty())
            credentials.authorization = "Basic " + hal::base64(user + ":" + password);
        else if (!bearer.empty())
            credentials.authorization = "Bearer " + bearer;
        if (credentials.authorization.find_first_of("\r\n") != std::string::npos) {
            problem("'" + path + ".bearer_token_file' holds more than one line");
            credentials.authorization.clear();
        }
        credentials.certificate_pem = file_at(*own, path, "client_cert_file");
        credentials.key_pem = file_at(*own, path, "client_key_file");
        if (credentials.certificate_pem.empty() != credentials.key_pem.empty()) {
            problem("'" + path + "' needs both client_cert_file and client_key_file");
            credentials.certificate_pem.clear();
            credentials.key_pem.clear();
        }
        credentials.ca_pem = file_at(*own, path, "ca_file");
        if (credentials.ca_pem.empty()) credentials.ca_pem = ca_of_all();
        settings_.destinations.push_back(std::move(destination));
    }

    const std::string& ca_of_all() {
        if (text_at(section_, "ca_file").empty()) return ca_;
        const auto it = files_.find("upstream.ca_file");
        if (it == files_.end() && !is_ca_missing_) problem("'ca_file': " + text_at(section_, "ca_file") + " cannot be read");
        is_ca_missing_ = it == files_.end();
        if (!is_ca_missing_) ca_ = it->second;
        return ca_;
    }

    void read_proxy() {
        const auto* own = section_at(section_, "proxy");
        if (!own) return;
        const auto address = text_at(*own, "url");
        const auto url = config::parse_url(address);
        if (!url || url->scheme != "http") return problem("'proxy.url' is '" + address + "', but must be an address such as http://proxy.example:3128");
        settings_.proxy = OfficeProxy{*url, text_at(*own, "user"), file_at(*own, "proxy", "password_file")};
    }

    void read_budget() {
        const auto* own = section_at(section_, "budget");
        if (!own) return;
        settings_.has_budget = true;
        std::vector<config::Window> windows;
        const auto* schedule = own->if_contains("schedule");
        if (schedule && schedule->is_array())
            for (const auto& one : schedule->get_array()) {
                const auto window = one.is_string() ? config::parse_window(std::string_view(one.get_string())) : std::nullopt;
                if (!window || windows.size() >= windows_max)
                    problem("'budget.schedule' is not a list of at most " + std::to_string(windows_max) + " times of the week");
                else
                    windows.push_back(*window);
            }
        settings_.schedule = Schedule(config::parse_rate(text_at(*own, "rate")), std::move(windows));
        if (const auto* shares = section_at(*own, "shares"))
            for (std::size_t i = 1; i < class_count; ++i)
                if (const auto* share = shares->if_contains(client::class_names[i]); share && share->is_int64())
                    settings_.shares[i] = static_cast<unsigned>(std::clamp<std::int64_t>(share->get_int64(), 1, 1000));
        if (const auto* caps = section_at(*own, "caps")) {
            settings_.caps.day_bytes = config::parse_bytes(text_at(*caps, "day"));
            settings_.caps.month_bytes = config::parse_bytes(text_at(*caps, "month"));
        }
    }

    const json::object& section_;
    const std::map<std::string, std::string>& files_;
    Settings settings_;
    std::string ca_;
    bool is_ca_missing_ = false;
};

// "/api" is the beginning of "/api/v1" and "/api?x", not of "/apis".
bool begins(std::string_view path, std::string_view target) {
    path = path.substr(0, path.find('?'));
    if (path.ends_with('/')) path.remove_suffix(1);
    return target.starts_with(path) && (target.size() == path.size() || target[path.size()] == '/' || target[path.size()] == '?');
}

}  // namespace

Settings read_settings(const json::object& section, const std::map<std::string, std::string>& files) { return Reader(section, files).read(); }

const Destination* destination_for(const std::vector<Destination>& destinations, const config::Url& url) {
    const Destination* best = nullptr;
    bool best_begins = false;
    for (const auto& one : destinations) {
        if (one.url.scheme != url.scheme || one.url.host != url.host || one.url.port != url.port) continue;
        const bool is_beginning = begins(one.url.target, url.target);
        const bool is_better = !best || (is_beginning && (!best_begins || one.url.target.size() > best->url.target.size()));
        if (!is_better) continue;
        best = &one;
        best_begins = is_beginning;
    }
    return best;
}

const Destination* destination_for(const std::vector<Destination>& destinations, const config::HostPort& where) {
    const auto it = std::ranges::find_if(destinations, [&](const Destination& one) { return one.url.host == where.host && one.url.port == where.port; });
    return it == destinations.end() ? nullptr : &*it;
}

}  // namespace services::uplink
