package show

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Bars shows one job on a terminal: a bar per phase.
type Bars struct {
	progress *mpb.Progress
	phases   []*phaseBar // in the order they began; only the last one may be open
	attempt  int
}

// phaseBar is one phase's bar. mpb draws it from a goroutine of its own.
type phaseBar struct {
	bar   *mpb.Bar
	phase contracts.Phase
	total int64

	mu      sync.Mutex
	counts  bool // the phase counts nodes, and its message is the count
	began   time.Time
	spent   time.Duration // set when the phase is over
	message string
	over    bool
}

// barWidth leaves room for a message on a narrow terminal; mpb cuts what does not fit.
const barWidth = 30

// NewBars draws on w, which must be a terminal.
func NewBars(w io.Writer) *Bars {
	return &Bars{progress: mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(80*time.Millisecond))}
}

// Event moves the bars to where the event says that the job is.
func (b *Bars) Event(ev contracts.Event) {
	d := ev.Data
	if d.Attempt > b.attempt && b.attempt > 0 {
		b.end(false)
		b.Note(fmt.Sprintf("attempt %d", d.Attempt))
	}
	b.attempt = d.Attempt
	if d.Phase.Terminal() {
		b.end(d.Phase != contracts.PhaseFailed && d.Phase != contracts.PhaseCancelled)
		return
	}
	last := b.last()
	if last == nil || last.phase != d.Phase {
		b.end(true)
		last = b.begin(d.Phase)
	}
	last.set(d)
}

// Note writes a sentence above the bars.
func (b *Bars) Note(text string) {
	if _, err := b.progress.Write([]byte(Clean(text) + "\n")); err != nil {
		return // the bars have ended; the terminal event says the rest
	}
}

// Close ends the drawing; what is drawn stays.
func (b *Bars) Close() {
	b.end(false)
	b.progress.Wait()
}

func (b *Bars) last() *phaseBar {
	if len(b.phases) == 0 {
		return nil
	}
	return b.phases[len(b.phases)-1]
}

func (b *Bars) begin(phase contracts.Phase) *phaseBar {
	p := &phaseBar{phase: phase, began: time.Now()}
	p.bar = b.progress.AddBar(0, mpb.BarWidth(barWidth), // 0: full does not mean over
		mpb.PrependDecorators(decor.Name(Clean(string(phase)), decor.WC{W: 18, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(p.tail)),
	)
	b.phases = append(b.phases, p)
	return p
}

// end closes the open bar: full when the phase was passed, as it stands when it was not.
func (b *Bars) end(passed bool) {
	p := b.last()
	if p == nil || p.over {
		return
	}
	p.mu.Lock()
	p.over, p.spent = true, time.Since(p.began)
	if passed && p.counts {
		p.message = fmt.Sprintf("%d of %d", p.total, p.total) // the last count that was told is behind
	}
	p.mu.Unlock()
	if passed {
		p.bar.SetTotal(max(p.total, 1), true)
		return
	}
	p.bar.Abort(false)
}

func (p *phaseBar) set(d contracts.EventData) {
	p.mu.Lock()
	p.message = Clean(d.Message)
	p.counts = d.Total > 0 && d.Phase != contracts.PhasePlanned
	p.mu.Unlock()
	if d.Total > 0 {
		p.total = int64(d.Total)
		p.bar.SetTotal(p.total, false)
		p.bar.SetCurrent(int64(d.Done))
	}
}

// tail is what stands right of the bar: the time in the phase and its message.
func (p *phaseBar) tail(decor.Statistics) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	spent := p.spent
	if !p.over {
		spent = time.Since(p.began)
	}
	return fmt.Sprintf(" %7s  %s", seconds(spent), p.message)
}
