// All pods of this node: one worker each, kept in step with the API server's objects, or with the checkpoints of the last
// process while the API cannot answer.
//
// start() takes up what the last process or boot left; reconcile by put()/remove(), which an informer on pods with
// spec.nodeName=NODE calls. Bounded: `pods_max` pods; further ones wait in Pending with an event. Used on the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "services/kubelet/pods/pod_worker.hpp"

namespace services::kubelet::pods {

class Pods {
public:
    static constexpr std::size_t pods_max = 110;  // the kubelet's default, and what the Node says

    Pods(Parts& parts, hal::async::TaskGroup& group);

    // Reads the checkpoints, adopts their containers and addresses, and ends what belongs to none of them. The network and
    // the runtime have been started.
    Task<> start();
    // From the informer.
    void put(kubeclient::ObjectPtr pod);
    void remove(const kubeclient::ObjectPtr& pod);
    // After the first list: pods that the API does not have are ended, but for those of an earlier database.
    void keep_only(const std::set<std::string>& uids);
    // The API server's database (uid of Namespace kube-system), before the first put() and at each Parts::doubt. Pods of
    // another one are run on from their checkpoints; one that it misses and that was its own was deleted. One ends when the new database has a pod of its name, or of its labels,
    // to take its place, or by end_outliving(). Says whether any pod's case is other than before.
    bool set_cluster(const std::string& uid);
    // A person has decided.
    void end_outliving();
    [[nodiscard]] std::vector<std::string> outliving();  // "default/web-0", sorted
    void images_changed();
    // Sets Parts::starts_allowed.
    void allow_starts();

    // Returns when a container of any pod has ended.
    Task<> something_ended();

    // By uid; null when there is none. Valid until the next co_await.
    [[nodiscard]] PodWorker* find(const std::string& uid);
    [[nodiscard]] PodWorker* find(std::string_view name_space, std::string_view name);
    void each(const std::function<void(PodWorker&)>& visit);
    [[nodiscard]] std::size_t size() const { return workers_.size(); }

private:
    void take_up(PodState state);
    Task<> run(std::string uid);
    Task<> remove_orphans();

    Parts& parts_;
    hal::async::TaskGroup& group_;
    std::map<std::string, std::unique_ptr<PodWorker>> workers_;
    std::set<std::string> is_waiting_;  // over pods_max, said once each
    void replace_outliving(const kubeclient::json::object& pod);
};

}  // namespace services::kubelet::pods
