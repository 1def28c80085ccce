package house

import (
	"os/exec"
	"testing"
)

// What the scripts take away from the sources is still there, as they look for it.
func TestWhatIsSwitchedOffIsThere(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "../../scripts/switch-off-mechanisms", "check").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
