package show

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Board shows many jobs on a terminal: a bar per job that runs; one that has ended becomes a line.
type Board struct {
	progress *mpb.Progress
	jobs     map[string]*jobBar
}

type jobBar struct {
	bar *mpb.Bar

	mu   sync.Mutex
	data contracts.EventData
	seen time.Time
}

// NewBoard draws on w, which must be a terminal.
func NewBoard(w io.Writer) *Board {
	return &Board{
		progress: mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(100*time.Millisecond)),
		jobs:     map[string]*jobBar{},
	}
}

// Event moves the job's bar to where the event says that the job is.
func (b *Board) Event(ev contracts.Event) {
	d := ev.Data
	if d.Phase.Terminal() {
		if j := b.jobs[d.Job]; j != nil {
			j.bar.Abort(true)
			delete(b.jobs, d.Job)
		}
		b.Note(Line(ev, true))
		return
	}
	j := b.jobs[d.Job]
	if j == nil {
		j = &jobBar{}
		j.bar = b.progress.AddBar(int64(len(course))+1, mpb.BarWidth(barWidth),
			mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-16s %.8s  ", Clean(d.Cluster), Clean(d.Job)))),
			mpb.AppendDecorators(decor.Any(j.tail)),
		)
		b.jobs[d.Job] = j
	}
	j.mu.Lock()
	j.data, j.seen = d, time.Now()
	j.mu.Unlock()
	j.bar.SetCurrent(int64(max(slices.Index(course, d.Phase), 0)))
}

// course is the way of a create job; a destroy job is on its last step.
var course = []contracts.Phase{
	contracts.PhaseAccepted, contracts.PhaseWaitingResources, contracts.PhasePlanned, contracts.PhaseLaunching,
	contracts.PhaseStarting, contracts.PhaseForming, contracts.PhaseVerifying, contracts.PhaseDestroying,
}

// Note writes a sentence above the bars.
func (b *Board) Note(text string) {
	if _, err := b.progress.Write([]byte(Clean(text) + "\n")); err != nil {
		return // the board is closed
	}
}

// Close ends the drawing.
func (b *Board) Close() {
	for _, j := range b.jobs {
		j.bar.Abort(false)
	}
	b.progress.Wait()
}

func (j *jobBar) tail(decor.Statistics) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	elapsed := time.Duration(j.data.ElapsedMS)*time.Millisecond + time.Since(j.seen)
	text := fmt.Sprintf(" %8s  %s", seconds(elapsed), Clean(string(j.data.Phase)))
	if j.data.Total > 0 {
		text += fmt.Sprintf(" %d/%d", j.data.Done, j.data.Total)
	}
	return text
}
