#include "services/kube/controllers/controller.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>

namespace services::kube::controllers {

namespace asio = boost::asio;

Controller::Controller(Environment& environment, std::string name, std::size_t workers)
    : environment_(environment), queue_(environment.executor, name), name_(std::move(name)), workers_(workers) {}

void Controller::start(hal::async::TaskGroup& group) {
    for (std::size_t i = 0; i < workers_; ++i)
        group.spawn(name_, queue_.run([this](std::string key) { return sync(std::move(key)); }));
}

bool is_namespace_ending(const ApiError& error) {
    if (error.status() == 404) return true;
    for (const auto& cause : array_at(error.body(), "details.causes"))
        if (text(as_object(cause), "reason") == "NamespaceTerminating") return true;
    return false;
}

Task<std::vector<std::exception_ptr>> run_all(std::vector<Task<>> tasks) {
    const auto executor = co_await asio::this_coro::executor;
    using Operation = decltype(asio::co_spawn(executor, std::declval<Task<>>(), asio::deferred));
    if (tasks.empty()) co_return std::vector<std::exception_ptr>();
    std::vector<Operation> operations;
    operations.reserve(tasks.size());
    for (auto& task : tasks) operations.push_back(asio::co_spawn(executor, std::move(task), asio::deferred));
    auto [order, failures] = co_await asio::experimental::make_parallel_group(std::move(operations))
                                 .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
    co_return failures;
}

std::string message_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        return e.what();
    }
}

void put_count(json::object& status, std::string_view name, std::int64_t count) {
    if (count == 0)
        status.erase(name);
    else
        status[name] = count;
}

void remove_condition(json::array& conditions, std::string_view type) {
    for (auto entry = conditions.begin(); entry != conditions.end();)
        entry = text(as_object(*entry), "type") == type ? conditions.erase(entry) : entry + 1;
}

namespace {

Task<> send(Client client, std::string method, std::string target, json::value body) {
    http::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    HAL_REQUIRE(request.split_target());
    request.headers.set("Content-Type", "application/json");
    request.body = json::serialize(body);
    co_await client.send(std::move(request));
}

}  // namespace

Task<> delete_collection(Client client, Resource resource, std::string name_space) {
    co_await send(client, "DELETE", resource.path(name_space),
                  json::object{{"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"propagationPolicy", "Background"}});
}

Task<> put_subresource(Client client, Resource resource, json::object object, std::string subresource) {
    auto target = resource.path(namespace_of(object), name_of(object), subresource);
    co_await send(client, "PUT", std::move(target), std::move(object));
}

}  // namespace services::kube::controllers
