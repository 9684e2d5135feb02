// Tells the outside what happened to objects: clients that listen (ListenBucketNotification) at once, webhooks in order
// and for as long as it takes.
//
// A webhook's events lie in the store's outbox, written with the change itself, so neither a restart nor a target that is
// away loses one; they are delivered in the order of the changes, each until the target answers 2xx. Bounded: listeners
// `listeners_max`, each with `lines_max` events that it has not taken (a slower one is cut off), outbox by the store.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hal/async/task.hpp"
#include "services/codec/s3/notification.hpp"
#include "services/objects/store/types.hpp"

namespace services::objects::api {

namespace s3 = services::codec::s3;
class Api;
struct Call;

inline constexpr std::size_t listeners_max = 500;
inline constexpr std::size_t lines_max = 1000;

class Events {
public:
    explicit Events(Api& api);
    ~Events();

    // The targets there are, by ARN.
    [[nodiscard]] const std::vector<std::string>& arns() const { return arns_; }
    // The name of a target's outbox.
    static std::string destination(std::string_view arn) { return std::string(arn); }
    // What an outbox entry has to say beside the version it belongs to.
    [[nodiscard]] std::string note(const Call& call, std::string_view event_name, const s3::NotificationRule& rule) const;
    // Tells those who listen.
    void publish(const Call& call, std::string_view event_name, std::string_view bucket, const store::Object& object);

    struct Filter {
        std::string bucket;  // "" any
        std::string prefix, suffix;
        std::vector<std::string> names;
    };
    // Events for one client, from now on until it goes.
    class Listener {
    public:
        Listener(Events& events, Filter filter);
        ~Listener();
        Listener(const Listener&) = delete;
        Listener& operator=(const Listener&) = delete;
        // The lines that came, or "" when `limit` passed without one. Throws Error{exhausted} when it was too slow.
        hal::async::Task<std::string> next(std::chrono::steady_clock::duration limit);

    private:
        friend class Events;
        Events& events_;
        Filter filter_;
        std::deque<std::string> lines_;
        hal::async::Event arrived_;
        bool is_cut_ = false;
        std::list<Listener*>::iterator place_;
    };
    [[nodiscard]] std::size_t listeners() const { return listeners_.size(); }

    // Delivers to webhooks until cancelled.
    hal::async::Task<> deliver();

    struct Target {
        std::uint64_t delivered = 0, failed = 0;
        std::string problem;  // why the last delivery failed; "" while all is well
    };
    [[nodiscard]] const std::map<std::string, Target>& targets() const { return targets_; }

private:
    hal::async::Task<> deliver_to(std::string arn, std::string address);
    hal::async::Task<std::string> record_of(std::string arn, std::string bucket, std::string key, std::string version, std::string text,
                                            std::uint64_t sequence, hal::WallTime time, std::uint64_t bytes);

    Api& api_;
    std::vector<std::string> arns_;
    std::list<Listener*> listeners_;
    std::map<std::string, Target> targets_;
    std::uint64_t added_ = 0;   // times that something was added to an outbox
    hal::async::Event more_;   // pulsed then
};

}  // namespace services::objects::api
