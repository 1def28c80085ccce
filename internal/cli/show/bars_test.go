package show_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/show"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// terminal opens a pseudo terminal; screen returns everything that was drawn on it, and ends it.
func terminal(t *testing.T) (tty *os.File, screen func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var drawn bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&drawn, master) // ends with EIO when the other side is closed
	}()
	return tty, func() string {
		if err := tty.Close(); err != nil {
			t.Error(err)
		}
		<-done
		if err := master.Close(); err != nil {
			t.Error(err)
		}
		return drawn.String()
	}
}

func TestBarsShowEveryPhaseOnATerminal(t *testing.T) {
	t.Parallel()
	tty, screen := terminal(t)
	b := show.NewBars(tty)
	for _, ev := range life(t) {
		b.Event(ev)
	}
	b.Note("a sentence of our own")
	b.Close()
	drawn := screen()
	for _, want := range []string{"accepted", "waiting_resources", "planned", "launching", "starting", "forming", "verifying", "6 of 6", "=]"} {
		if !strings.Contains(drawn, want) {
			t.Errorf("%q is not drawn:\n%s", want, drawn)
		}
	}
}

func TestBarsKeepAnUnfinishedPhaseOpen(t *testing.T) {
	t.Parallel()
	tty, screen := terminal(t)
	b := show.NewBars(tty)
	events := life(t)
	for _, ev := range events[:5] {
		b.Event(ev)
	}
	again := events[0]
	again.Data.Attempt = 2
	b.Event(again)
	b.Event(event(contracts.EventFailed, contracts.EventData{Phase: contracts.PhaseFailed, Attempt: 2, Message: "it failed"}))
	b.Close()
	if drawn := screen(); !strings.Contains(drawn, "attempt 2") || !strings.Contains(drawn, ">--") {
		t.Errorf("a new attempt, or the bar of a phase that was not passed, is missing:\n%s", drawn)
	}
}

func TestBoardTurnsEndedJobsIntoLines(t *testing.T) {
	t.Parallel()
	tty, screen := terminal(t)
	b := show.NewBoard(tty)
	events := life(t)
	other := events[4]
	other.Data.Job, other.Data.Cluster = "11111111-0000-4000-8000-000000000000", "carts"
	b.Event(events[3])
	b.Event(other)
	time.Sleep(150 * time.Millisecond) // one drawing, which nothing announces
	b.Event(events[7])
	b.Close()
	drawn := screen()
	for _, want := range []string{"orders", "carts", "launching", "starting 4/6", "verified"} {
		if !strings.Contains(drawn, want) {
			t.Errorf("%q is not drawn:\n%s", want, drawn)
		}
	}
}
