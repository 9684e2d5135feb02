// The pods as the kubelet's API shows them: logs, exec, attach, /pods.
#pragma once

#include "services/kubelet/pods/pods.hpp"
#include "services/kubelet/streams/streams.hpp"

namespace services::kubelet::pods {

class PodsFace : public streams::PodsView {
public:
    // Both outlive it.
    PodsFace(Pods& pods, Parts& parts) : pods_(pods), parts_(parts) {}

    [[nodiscard]] json::array list() const override;
    [[nodiscard]] std::optional<streams::PodFacts> find(std::string_view name_space, std::string_view name) const override;
    [[nodiscard]] std::optional<streams::ContainerFacts> container(const std::string& uid, std::string_view name) const override;
    Task<> wait_end(std::string uid, std::string container, std::string id) override;
    Task<std::unique_ptr<streams::Process>> exec(std::string uid, std::string container, streams::ExecCommand command) override;
    Task<Descriptor> attach(std::string uid, std::string container) override;
    void resize(const std::string& uid, const std::string& container, unsigned columns, unsigned rows) override;

private:
    // Throws Error{not_found}.
    [[nodiscard]] std::string running_id(const std::string& uid, std::string_view container) const;
    Pods& pods_;
    Parts& parts_;
};

}  // namespace services::kubelet::pods
