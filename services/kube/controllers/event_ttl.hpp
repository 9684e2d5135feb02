// Events live an hour after they last happened.
//
// Only their names and times are kept here. The hour counts on the monotonic clock from when an Event was seen, less the
// age it had then.
#pragma once

#include "services/kube/controllers/controller.hpp"

namespace services::kube::controllers {

class EventTtlController : public Controller {
public:
    static constexpr std::chrono::hours age_max{1};

    explicit EventTtlController(Environment& environment);
    Task<> sync(std::string key) override;
    void start(hal::async::TaskGroup& group) override;

private:
    Informer informer_;
};

}  // namespace services::kube::controllers
