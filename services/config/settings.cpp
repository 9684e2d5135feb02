#include "services/config/settings.hpp"

namespace services::config {
namespace {

constexpr Setting table[] = {
    {"apiVersion", Form::text, "branchbox/v1"},
    {"site", Form::label, ""},
    {"listen", Form::address, ""},
    {"kube", Form::section, ""},
    {"kube.service_names_in", Form::list_of_text, ""},
    {"kube.node_monitor_grace_period", Form::duration, ""},
    {"kube.listen", Form::address, ""},
    {"kubelet", Form::section, ""},
    {"kubelet.listen", Form::address, ""},
    {"discovery", Form::section, ""},
    {"discovery.upstream_servers", Form::list_of_text, ""},
    {"objects", Form::section, ""},
    {"objects.listen", Form::address, ""},
    {"objects.root_user", Form::text, ""},
    {"objects.root_password_file", Form::file, ""},
    {"objects.region", Form::text, ""},
    {"objects.webhooks", Form::list_of_text, ""},
    {"upstream", Form::section, ""},
    {"upstream.ca_file", Form::file, ""},
    {"upstream.budget", Form::section, ""},
    {"upstream.budget.rate", Form::rate, ""},
    {"upstream.budget.schedule", Form::list_of_windows, ""},
    {"upstream.budget.shares", Form::section, ""},
    {"upstream.budget.shares.queue", Form::number, ""},
    {"upstream.budget.shares.metrics", Form::number, ""},
    {"upstream.budget.shares.logs", Form::number, ""},
    {"upstream.budget.shares.backlog", Form::number, ""},
    {"upstream.budget.shares.bulk", Form::number, ""},
    {"upstream.budget.caps", Form::section, ""},
    {"upstream.budget.caps.day", Form::bytes, ""},
    {"upstream.budget.caps.month", Form::bytes, ""},
    {"upstream.proxy", Form::section, ""},
    {"upstream.proxy.url", Form::url, "http"},
    {"upstream.proxy.user", Form::text, ""},
    {"upstream.proxy.password_file", Form::file, ""},
    {"upstream.kube", Form::section, ""},
    {"upstream.kube.hub", Form::url, "https"},
    {"upstream.kube.bootstrap_token_file", Form::file, ""},
    {"upstream.kube.user", Form::text, ""},
    {"upstream.kube.password_file", Form::file, ""},
    {"upstream.kube.bearer_token_file", Form::file, ""},
    {"upstream.kube.client_cert_file", Form::file, ""},
    {"upstream.kube.client_key_file", Form::file, ""},
    {"upstream.kube.ca_file", Form::file, ""},
    {"upstream.objects", Form::section, ""},
    {"upstream.objects.endpoint", Form::url, "http|https"},
    {"upstream.objects.access_key", Form::text, ""},
    {"upstream.objects.secret_key_file", Form::file, ""},
    {"upstream.objects.region", Form::text, ""},
    {"upstream.objects.buckets", Form::list_of_text, ""},
    {"upstream.objects.bucket_name", Form::text, ""},
    {"upstream.objects.key_prefix", Form::text, ""},
    {"upstream.objects.deletes", Form::text, "follow|keep"},
    {"upstream.objects.versions", Form::text, "latest|all"},
    {"upstream.objects.user", Form::text, ""},
    {"upstream.objects.password_file", Form::file, ""},
    {"upstream.objects.bearer_token_file", Form::file, ""},
    {"upstream.objects.client_cert_file", Form::file, ""},
    {"upstream.objects.client_key_file", Form::file, ""},
    {"upstream.objects.ca_file", Form::file, ""},
    {"upstream.queue", Form::section, ""},
    {"upstream.queue.uri", Form::url, "amqp|amqps"},
    {"upstream.queue.user", Form::text, ""},
    {"upstream.queue.password_file", Form::file, ""},
    {"upstream.queue.bearer_token_file", Form::file, ""},
    {"upstream.queue.client_cert_file", Form::file, ""},
    {"upstream.queue.client_key_file", Form::file, ""},
    {"upstream.queue.ca_file", Form::file, ""},
    {"upstream.metrics", Form::section, ""},
    {"upstream.metrics.remote_write", Form::url, "http|https"},
    {"upstream.metrics.user", Form::text, ""},
    {"upstream.metrics.password_file", Form::file, ""},
    {"upstream.metrics.bearer_token_file", Form::file, ""},
    {"upstream.metrics.client_cert_file", Form::file, ""},
    {"upstream.metrics.client_key_file", Form::file, ""},
    {"upstream.metrics.ca_file", Form::file, ""},
    {"upstream.logs", Form::section, ""},
    {"upstream.logs.elasticsearch", Form::url, "http|https"},
    {"upstream.logs.loki", Form::url, "http|https"},
    {"upstream.logs.user", Form::text, ""},
    {"upstream.logs.password_file", Form::file, ""},
    {"upstream.logs.bearer_token_file", Form::file, ""},
    {"upstream.logs.client_cert_file", Form::file, ""},
    {"upstream.logs.client_key_file", Form::file, ""},
    {"upstream.logs.ca_file", Form::file, ""},
};

}  // namespace

std::span<const Setting> settings() { return table; }

std::string_view name_of(Form form) {
    switch (form) {
        case Form::text: return "text";
        case Form::label: return "a DNS label (a-z, 0-9, '-', at most 63 characters)";
        case Form::number: return "a whole number";
        case Form::boolean: return "true or false";
        case Form::duration: return "a duration such as 50s, 10m or 24h";
        case Form::address: return "an address such as '[::]', 192.0.2.1 or 127.0.0.1:6443";
        case Form::path: return "a path";
        case Form::file: return "the path of a file, from /";
        case Form::url: return "an address such as https://hq.example:9000/path";
        case Form::rate: return "a rate such as 256kbit or 2Mbit (a second)";
        case Form::bytes: return "an amount such as 500MB or 10GiB";
        case Form::window: return "a time of the week and a rate, such as 'mon-fri 08:00-18:00 256kbit'";
        case Form::list_of_windows: return "a list of times of the week and rates, such as 'mon-fri 08:00-18:00 256kbit'";
        case Form::list_of_text: return "a list of texts";
        case Form::list: return "a list";
        case Form::section: return "a section (keys and values)";
    }
    return "a value";
}

}  // namespace services::config
