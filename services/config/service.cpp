#include "services/config/service.hpp"

#include <boost/asio/this_coro.hpp>

#include "hal/base/error.hpp"

namespace services::config {

const std::string& Service::credential(const std::string& key) const {
    const auto it = credentials.find(key);
    if (it == credentials.end())
        throw hal::Error(hal::Code::not_found, "credential '" + key + "' was not given to service " + name);
    return it->second;
}

hal::async::Task<std::exception_ptr> until_stopped(Service& service) {
    std::exception_ptr ended;
    try {
        co_await service.stopping->wait();
    } catch (...) {
        ended = std::current_exception();
    }
    co_await boost::asio::this_coro::reset_cancellation_state();
    co_return ended;
}

}  // namespace services::config
