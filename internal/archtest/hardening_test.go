package archtest

import (
	"os"
	"strings"
	"testing"
)

// TestDeploymentsRunWithoutRights: each way of deploying gives the program what it
// needs and nothing else, should it ever run somebody else's code.
func TestDeploymentsRunWithoutRights(t *testing.T) {
	repository := os.DirFS("../..")
	for file, lines := range map[string][]string{
		"Dockerfile": {"FROM scratch", "USER 65532:65532", "CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \\"},
		"docker-compose.yml": {
			"read_only: true", "cap_drop: [ALL]", `security_opt: ["no-new-privileges:true"]`, `- "127.0.0.1:8080:8080"`, `- "127.0.0.1:8081:8081"`,
		},
		"deploy/kubernetes/postrider.yaml": {
			"automountServiceAccountToken: false", "runAsNonRoot: true", "readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false",
			"capabilities: {drop: [ALL]}", "seccompProfile: {type: RuntimeDefault}",
		},
		"deploy/systemd/postrider.service": {
			"DynamicUser=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes", "PrivateDevices=yes",
			"MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service", "UMask=0077", "StateDirectoryMode=0700", "LimitCORE=0",
		},
	} {
		have := map[string]bool{}
		for line := range strings.Lines(text(t, repository, file)) {
			have[strings.TrimSpace(line)] = true
		}
		for _, line := range lines {
			if !have[line] {
				t.Errorf("%s: the line %q is missing", file, line)
			}
		}
	}
}
