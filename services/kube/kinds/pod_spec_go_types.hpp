// The internal types of the real server that its messages print, one row each: `GoName[=jsonName]:kind`. Without a JSON
// name it is the Go name with a small first letter. Kinds: s string, b bool, 0 number or int-or-string, q quantity,
// n anything that may be nil (printed as clients write it), l a LabelSelector, o an embedded ObjectMeta, T a struct, *T a pointer to one,
// [T a slice of them. Taken from Kubernetes 1.37.2; private to pod_spec_go_form.cpp.
#pragma once

#include <array>
#include <string_view>

namespace services::kube::kinds {

struct GoType {
    std::string_view name, fields;
};

// Sorted by name.
inline constexpr auto go_types = std::to_array<GoType>({
    {"AWSElasticBlockStoreVolumeSource", "VolumeID:s FSType=fsType:s Partition:0 ReadOnly:b"},
    {"Affinity", "NodeAffinity:*NodeAffinity PodAffinity:*PodAffinity PodAntiAffinity:*PodAntiAffinity"},
    {"AppArmorProfile", "Type:s LocalhostProfile:n"},
    {"AzureDiskVolumeSource", "DiskName:s DataDiskURI=diskURI:s CachingMode:n FSType=fsType:n ReadOnly:n Kind:n"},
    {"AzureFileVolumeSource", "SecretName:s ShareName:s ReadOnly:b"},
    {"CSIVolumeSource",
     "Driver:s ReadOnly:n FSType=fsType:n VolumeAttributes:n NodePublishSecretRef:*LocalObjectReference"},
    {"Capabilities", "Add:n Drop:n"},
    {"CephFSVolumeSource", "Monitors:n Path:s User:s SecretFile:s SecretRef:*LocalObjectReference ReadOnly:b"},
    {"CinderVolumeSource", "VolumeID:s FSType=fsType:s ReadOnly:b SecretRef:*LocalObjectReference"},
    {"ClusterTrustBundleProjection", "Name:n SignerName:n LabelSelector:l Optional:n Path:s User:n"},
    {"ConfigMapEnvSource", "Name:s Optional:n"},
    {"ConfigMapKeySelector", "Name:s Key:s Optional:n"},
    {"ConfigMapProjection", "Name:s Items:[KeyToPath Optional:n"},
    {"ConfigMapVolumeSource", "Name:s Items:[KeyToPath DefaultMode:n Optional:n DefaultUser:n"},
    {"Container",
     "Name:s Image:s Command:n Args:n WorkingDir:s Ports:[ContainerPort EnvFrom:[EnvFromSource Env:[EnvVar "
     "Resources:ResourceRequirements ResizePolicy:[ContainerResizePolicy RestartPolicy:n "
     "RestartPolicyRules:[ContainerRestartRule VolumeMounts:[VolumeMount VolumeDevices:[VolumeDevice "
     "LivenessProbe:*Probe ReadinessProbe:*Probe StartupProbe:*Probe Lifecycle:*Lifecycle "
     "TerminationMessagePath:s TerminationMessagePolicy:s ImagePullPolicy:s SecurityContext:*SecurityContext "
     "Stdin:b StdinOnce:b TTY=tty:b"},
    {"ContainerPort", "Name:s HostPort:0 ContainerPort:0 Protocol:s HostIP:s"},
    {"ContainerResizePolicy", "ResourceName:s RestartPolicy:s"},
    {"ContainerRestartRule", "Action:s ExitCodes:*ContainerRestartRuleOnExitCodes"},
    {"ContainerRestartRuleOnExitCodes", "Operator:s Values:n"},
    {"DeploymentStrategy", "Type:s RollingUpdate:*RollingUpdateDeployment"},
    {"DownwardAPIProjection", "Items:[DownwardAPIVolumeFile"},
    {"DownwardAPIVolumeFile",
     "Path:s FieldRef:*ObjectFieldSelector ResourceFieldRef:*ResourceFieldSelector Mode:n User:n"},
    {"DownwardAPIVolumeSource", "Items:[DownwardAPIVolumeFile DefaultMode:n DefaultUser:n"},
    {"EmptyDirVolumeSource", "Medium:s SizeLimit:n Mode:n"},
    {"EnvFromSource", "Prefix:s ConfigMapRef:*ConfigMapEnvSource SecretRef:*SecretEnvSource"},
    {"EnvVar", "Name:s Value:s ValueFrom:*EnvVarSource"},
    {"EnvVarSource",
     "FieldRef:*ObjectFieldSelector ResourceFieldRef:*ResourceFieldSelector "
     "ConfigMapKeyRef:*ConfigMapKeySelector SecretKeyRef:*SecretKeySelector FileKeyRef:*FileKeySelector"},
    {"EphemeralContainer",
     "Name:s Image:s Command:n Args:n WorkingDir:s Ports:[ContainerPort EnvFrom:[EnvFromSource Env:[EnvVar "
     "Resources:ResourceRequirements ResizePolicy:[ContainerResizePolicy RestartPolicy:n "
     "RestartPolicyRules:[ContainerRestartRule VolumeMounts:[VolumeMount VolumeDevices:[VolumeDevice "
     "LivenessProbe:*Probe ReadinessProbe:*Probe StartupProbe:*Probe Lifecycle:*Lifecycle "
     "TerminationMessagePath:s TerminationMessagePolicy:s ImagePullPolicy:s SecurityContext:*SecurityContext "
     "Stdin:b StdinOnce:b TTY=tty:b TargetContainerName:s"},
    {"EphemeralVolumeSource", "VolumeClaimTemplate:*PersistentVolumeClaimTemplate"},
    {"EvictionResponder", "Name:s Priority:n"},
    {"ExecAction", "Command:n"},
    {"FCVolumeSource", "TargetWWNs:n Lun:n FSType=fsType:s ReadOnly:b WWIDs=wwids:n"},
    {"FileKeySelector", "VolumeName:s Path:s Key:s Optional:n"},
    {"FlexVolumeSource", "Driver:s FSType=fsType:s SecretRef:*LocalObjectReference ReadOnly:b Options:n"},
    {"FlockerVolumeSource", "DatasetName:s DatasetUUID:s"},
    {"GCEPersistentDiskVolumeSource", "PDName=pdName:s FSType=fsType:s Partition:0 ReadOnly:b"},
    {"GRPCAction", "Port:0 Service:n Mode:n"},
    {"GitRepoVolumeSource", "Repository:s Revision:s Directory:s"},
    {"GlusterfsVolumeSource", "EndpointsName=endpoints:s Path:s ReadOnly:b"},
    {"HTTPGetAction", "Path:s Port:0 Host:s Scheme:s HTTPHeaders=httpHeaders:[HTTPHeader Protocol:n"},
    {"HTTPHeader", "Name:s Value:s"},
    {"HostAlias", "IP=ip:s Hostnames:n"},
    {"HostIP", "IP=ip:s"},
    {"HostPathVolumeSource", "Path:s Type:n"},
    {"ISCSIVolumeSource",
     "TargetPortal:s IQN=iqn:s Lun:0 ISCSIInterface=iscsiInterface:s FSType=fsType:s ReadOnly:b Portals:n "
     "DiscoveryCHAPAuth=chapAuthDiscovery:b SessionCHAPAuth=chapAuthSession:b SecretRef:*LocalObjectReference "
     "InitiatorName:n"},
    {"ImageVolumeSource", "Reference:s PullPolicy:s"},
    {"KeyToPath", "Key:s Path:s Mode:n User:n"},
    {"Lifecycle", "PostStart:*LifecycleHandler PreStop:*LifecycleHandler StopSignal:n"},
    {"LifecycleHandler",
     "Exec:*ExecAction HTTPGet=httpGet:*HTTPGetAction TCPSocket=tcpSocket:*TCPSocketAction Sleep:*SleepAction"},
    {"LocalObjectReference", "Name:s"},
    {"NFSVolumeSource", "Server:s Path:s ReadOnly:b"},
    {"NodeAffinity",
     "RequiredDuringSchedulingIgnoredDuringExecution:*NodeSelector "
     "PreferredDuringSchedulingIgnoredDuringExecution:[PreferredSchedulingTerm"},
    {"NodeSelector", "NodeSelectorTerms:[NodeSelectorTerm"},
    {"NodeSelectorRequirement", "Key:s Operator:s Values:n"},
    {"NodeSelectorTerm", "MatchExpressions:[NodeSelectorRequirement MatchFields:[NodeSelectorRequirement"},
    {"ObjectFieldSelector", "APIVersion=apiVersion:s FieldPath:s"},
    {"PersistentVolumeClaimSpec",
     "AccessModes:n Selector:l Resources:VolumeResourceRequirements VolumeName:s StorageClassName:n "
     "VolumeMode:n DataSource:*TypedLocalObjectReference DataSourceRef:*TypedObjectReference "
     "VolumeAttributesClassName:n"},
    {"PersistentVolumeClaimTemplate", "ObjectMeta=metadata:o Spec:PersistentVolumeClaimSpec"},
    {"PersistentVolumeClaimVolumeSource", "ClaimName:s ReadOnly:b"},
    {"PhotonPersistentDiskVolumeSource", "PdID:s FSType=fsType:s"},
    {"PodAffinity",
     "RequiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm "
     "PreferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm"},
    {"PodAffinityTerm",
     "LabelSelector:l Namespaces:n TopologyKey:s NamespaceSelector:l MatchLabelKeys:n MismatchLabelKeys:n"},
    {"PodAntiAffinity",
     "RequiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm "
     "PreferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm"},
    {"PodCertificateProjection",
     "SignerName:s KeyType:s MaxExpirationSeconds:n CredentialBundlePath:s KeyPath:s CertificateChainPath:s "
     "UserAnnotations:n User:n"},
    {"PodDNSConfig", "Nameservers:n Searches:n Options:[PodDNSConfigOption"},
    {"PodDNSConfigOption", "Name:s Value:n"},
    {"PodIP", "IP=ip:s"},
    {"PodOS", "Name:s"},
    {"PodReadinessGate", "ConditionType:s"},
    {"PodResourceClaim", "Name:s ResourceClaimName:n ResourceClaimTemplateName:n"},
    {"PodSchedulingGate", "Name:s"},
    {"PodSchedulingGroup", "PodGroupName:n"},
    {"PodSecurityContext",
     "SELinuxOptions=seLinuxOptions:*SELinuxOptions WindowsOptions:*WindowsSecurityContextOptions RunAsUser:n "
     "RunAsGroup:n RunAsNonRoot:n SupplementalGroups:n SupplementalGroupsPolicy:n FSGroup=fsGroup:n "
     "Sysctls:[Sysctl FSGroupChangePolicy=fsGroupChangePolicy:n SeccompProfile:*SeccompProfile "
     "AppArmorProfile:*AppArmorProfile SELinuxChangePolicy=seLinuxChangePolicy:n"},
    {"PodSpec",
     "Volumes:[Volume InitContainers:[Container Containers:[Container EphemeralContainers:[EphemeralContainer "
     "RestartPolicy:s TerminationGracePeriodSeconds:n ActiveDeadlineSeconds:n DNSPolicy=dnsPolicy:s "
     "NodeSelector:n ServiceAccountName:s DeprecatedServiceAccount=serviceAccount:s "
     "AutomountServiceAccountToken:n NodeName:s HostNetwork:b HostPID:b HostIPC:b ShareProcessNamespace:n "
     "SecurityContext:*PodSecurityContext ImagePullSecrets:[LocalObjectReference Hostname:s Subdomain:s "
     "Affinity:*Affinity SchedulerName:s Tolerations:[Toleration HostAliases:[HostAlias PriorityClassName:s "
     "Priority:n DNSConfig=dnsConfig:*PodDNSConfig ReadinessGates:[PodReadinessGate RuntimeClassName:n "
     "EnableServiceLinks:n PreemptionPolicy:n Overhead:n TopologySpreadConstraints:[TopologySpreadConstraint "
     "SetHostnameAsFQDN:n OS=os:*PodOS HostUsers:n SchedulingGates:[PodSchedulingGate "
     "ResourceClaims:[PodResourceClaim Resources:*ResourceRequirements HostnameOverride:n "
     "SchedulingGroup:*PodSchedulingGroup EvictionResponders:[EvictionResponder"},
    {"PortworxVolumeSource", "VolumeID:s FSType=fsType:s ReadOnly:b"},
    {"PreferredSchedulingTerm", "Weight:0 Preference:NodeSelectorTerm"},
    {"Probe",
     "Exec:*ExecAction HTTPGet=httpGet:*HTTPGetAction TCPSocket=tcpSocket:*TCPSocketAction "
     "GRPC=grpc:*GRPCAction InitialDelaySeconds:0 TimeoutSeconds:0 PeriodSeconds:0 SuccessThreshold:0 "
     "FailureThreshold:0 TerminationGracePeriodSeconds:n"},
    {"ProjectedVolumeSource", "Sources:[VolumeProjection DefaultMode:n DefaultUser:n"},
    {"QuobyteVolumeSource", "Registry:s Volume:s ReadOnly:b User:s Group:s Tenant:s"},
    {"RBDVolumeSource",
     "CephMonitors=monitors:n RBDImage=image:s FSType=fsType:s RBDPool=pool:s RadosUser=user:s Keyring:s "
     "SecretRef:*LocalObjectReference ReadOnly:b"},
    {"ResourceClaim", "Name:s Request:s"},
    {"ResourceFieldSelector", "ContainerName:s Resource:s Divisor:q"},
    {"ResourceRequirements", "Limits:n Requests:n Claims:[ResourceClaim"},
    {"RollingUpdateDeployment", "MaxUnavailable:0 MaxSurge:0"},
    {"SELinuxOptions", "User:s Role:s Type:s Level:s"},
    {"ScaleIOVolumeSource",
     "Gateway:s System:s SecretRef:*LocalObjectReference SSLEnabled=sslEnabled:b ProtectionDomain:s "
     "StoragePool:s StorageMode:s VolumeName:s FSType=fsType:s ReadOnly:b"},
    {"SeccompProfile", "Type:s LocalhostProfile:n"},
    {"SecretEnvSource", "Name:s Optional:n"},
    {"SecretKeySelector", "Name:s Key:s Optional:n"},
    {"SecretProjection", "Name:s Items:[KeyToPath Optional:n"},
    {"SecretVolumeSource", "SecretName:s Items:[KeyToPath DefaultMode:n Optional:n DefaultUser:n"},
    {"SecurityContext",
     "Capabilities:*Capabilities Privileged:n SELinuxOptions=seLinuxOptions:*SELinuxOptions "
     "WindowsOptions:*WindowsSecurityContextOptions RunAsUser:n RunAsGroup:n RunAsNonRoot:n "
     "ReadOnlyRootFilesystem:n AllowPrivilegeEscalation:n ProcMount:n SeccompProfile:*SeccompProfile "
     "AppArmorProfile:*AppArmorProfile"},
    {"ServiceAccountTokenProjection", "Audience:s ExpirationSeconds:n Path:s User:n"},
    {"ServicePort", "Name:s Protocol:s AppProtocol:n Port:0 TargetPort:0 NodePort:0"},
    {"SleepAction", "Seconds:0"},
    {"StorageOSVolumeSource",
     "VolumeName:s VolumeNamespace:s FSType=fsType:s ReadOnly:b SecretRef:*LocalObjectReference"},
    {"Sysctl", "Name:s Value:s"},
    {"TCPSocketAction", "Port:0 Host:s"},
    {"Toleration", "Key:s Operator:s Value:s Effect:s TolerationSeconds:n"},
    {"TopologySpreadConstraint",
     "MaxSkew:0 TopologyKey:s WhenUnsatisfiable:s LabelSelector:l MinDomains:n NodeAffinityPolicy:n "
     "NodeTaintsPolicy:n MatchLabelKeys:n"},
    {"TypedLocalObjectReference", "APIGroup=apiGroup:n Kind:s Name:s"},
    {"TypedObjectReference", "APIGroup=apiGroup:n Kind:s Name:s Namespace:n"},
    {"Volume",
     "Name:s HostPath:*HostPathVolumeSource EmptyDir:*EmptyDirVolumeSource "
     "GCEPersistentDisk=gcePersistentDisk:*GCEPersistentDiskVolumeSource "
     "AWSElasticBlockStore=awsElasticBlockStore:*AWSElasticBlockStoreVolumeSource GitRepo:*GitRepoVolumeSource "
     "Secret:*SecretVolumeSource NFS=nfs:*NFSVolumeSource ISCSI=iscsi:*ISCSIVolumeSource "
     "Glusterfs:*GlusterfsVolumeSource PersistentVolumeClaim:*PersistentVolumeClaimVolumeSource "
     "RBD=rbd:*RBDVolumeSource FlexVolume:*FlexVolumeSource Cinder:*CinderVolumeSource "
     "CephFS=cephfs:*CephFSVolumeSource Flocker:*FlockerVolumeSource DownwardAPI:*DownwardAPIVolumeSource "
     "FC=fc:*FCVolumeSource AzureFile:*AzureFileVolumeSource ConfigMap:*ConfigMapVolumeSource "
     "VsphereVolume:*VsphereVirtualDiskVolumeSource Quobyte:*QuobyteVolumeSource "
     "AzureDisk:*AzureDiskVolumeSource PhotonPersistentDisk:*PhotonPersistentDiskVolumeSource "
     "Projected:*ProjectedVolumeSource PortworxVolume:*PortworxVolumeSource ScaleIO:*ScaleIOVolumeSource "
     "StorageOS=storageos:*StorageOSVolumeSource CSI=csi:*CSIVolumeSource Ephemeral:*EphemeralVolumeSource "
     "Image:*ImageVolumeSource"},
    {"VolumeDevice", "Name:s DevicePath:s"},
    {"VolumeMount",
     "Name:s ReadOnly:b RecursiveReadOnly:n MountPath:s SubPath:s MountPropagation:n SubPathExpr:s "
     "BindMountOptions:n"},
    {"VolumeProjection",
     "Secret:*SecretProjection DownwardAPI:*DownwardAPIProjection ConfigMap:*ConfigMapProjection "
     "ServiceAccountToken:*ServiceAccountTokenProjection ClusterTrustBundle:*ClusterTrustBundleProjection "
     "PodCertificate:*PodCertificateProjection"},
    {"VolumeResourceRequirements", "Limits:n Requests:n"},
    {"VsphereVirtualDiskVolumeSource", "VolumePath:s FSType=fsType:s StoragePolicyName:s StoragePolicyID:s"},
    {"WeightedPodAffinityTerm", "Weight:0 PodAffinityTerm:PodAffinityTerm"},
    {"WindowsSecurityContextOptions",
     "GMSACredentialSpecName=gmsaCredentialSpecName:n GMSACredentialSpec=gmsaCredentialSpec:n RunAsUserName:n "
     "HostProcess:n"},
});

}  // namespace services::kube::kinds
