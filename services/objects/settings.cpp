#include "services/objects/settings.hpp"

#include <unistd.h>

#include "hal/base/error.hpp"
#include "services/objects/api/fields.hpp"

namespace services::objects {
namespace {

std::string text_of(const boost::json::object& section, std::string_view name) {
    const auto* value = section.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string first_line(const std::string& text) { return text.substr(0, text.find_first_of("\r\n")); }

std::string webhook_arn(const std::string& id) { return "arn:minio:sqs::" + id + ":webhook"; }

// MinIO says "_" where nothing is named.
void add_webhook(std::map<std::string, std::string>& webhooks, const std::string& id, const std::string& address) {
    if (!address.starts_with("http://") || address.size() == std::string_view("http://").size())
        throw hal::Error(hal::Code::invalid, "webhook " + id + ": " + address + " is no address of the form http://host:port/path");
    webhooks[webhook_arn(id)] = address;
}

std::vector<std::string> variable_names() {
    std::vector<std::string> names;
    for (auto** one = environ; *one; ++one) {
        const std::string_view text(*one);
        names.emplace_back(text.substr(0, text.find('=')));
    }
    return names;
}

}  // namespace

access::Root root_of(const config::Service& service, const Variable& variable) {
    if (auto root = access::root_from_environment(variable)) return *root;
    const auto user = text_of(service.settings, "root_user");
    const auto file = service.credentials.find("objects.root_password_file");
    if (!user.empty() || file != service.credentials.end()) {
        access::Root root{user.empty() ? std::string("minio") : user, file == service.credentials.end() ? std::string() : first_line(file->second)};
        if (root.access_key.size() < access::access_key_characters_min)
            throw hal::Error(hal::Code::invalid, "objects.root_user: the access key must be at least 3 characters long");
        if (root.secret.size() < access::secret_characters_min)
            throw hal::Error(hal::Code::invalid, "objects.root_password_file: the secret key must be at least 8 characters long");
        return root;
    }
    return {service.credential("root-user"), service.credential("root-password")};
}

std::map<std::string, std::string> webhooks_of(const config::Service& service, const Variable& variable, const std::vector<std::string>& names) {
    std::map<std::string, std::string> webhooks;
    constexpr std::string_view enable = "MINIO_NOTIFY_WEBHOOK_ENABLE";
    for (const auto& name : names) {
        if (!name.starts_with(enable)) continue;
        auto id = name.substr(enable.size());
        if (!id.empty() && !id.starts_with('_')) continue;
        const auto is_on = api::lower(variable(name).value_or(""));
        if (is_on != "on" && is_on != "true" && is_on != "1") continue;
        const auto address = variable("MINIO_NOTIFY_WEBHOOK_ENDPOINT" + id).value_or("");
        add_webhook(webhooks, id.empty() ? std::string("_") : id.substr(1), address);
    }
    if (const auto* list = service.settings.if_contains("webhooks"); list && list->is_array())
        for (const auto& one : list->get_array()) {
            const std::string text(one.as_string());
            const auto equals = text.find('=');
            if (equals == 0 || equals == std::string::npos) throw hal::Error(hal::Code::invalid, "objects.webhooks: '" + text + "' is not of the form id=http://host:port/path");
            add_webhook(webhooks, text.substr(0, equals), text.substr(equals + 1));
        }
    return webhooks;
}

api::ApiOptions options_of(const config::Service& service, const Variable& variable, std::string deployment_id) {
    api::ApiOptions options;
    options.region = variable("MINIO_SITE_REGION").value_or(variable("MINIO_REGION").value_or(text_of(service.settings, "region")));
    options.public_metrics = variable("MINIO_PROMETHEUS_AUTH_TYPE").value_or("") == "public";
    options.deployment_id = std::move(deployment_id);
    options.webhooks = webhooks_of(service, variable, variable_names());
    return options;
}

}  // namespace services::objects
