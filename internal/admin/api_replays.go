package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/replay"
)

// plan answers what a request comes to. Nothing is written.
func (c *call) plan() error {
	q, err := c.query("count")
	if err != nil {
		return err
	}
	count, err := strconv.ParseBool(cmp.Or(q.Get("count"), "false"))
	if err != nil {
		return invalid("count has to be true or false")
	}
	data, err := c.body()
	if err != nil {
		return err
	}
	var req replay.Request
	if err := strict(data, &req); err != nil {
		return err
	}
	if err := c.api.permit(&req); err != nil {
		return err
	}
	plan, err := c.makePlan(req, count)
	if err != nil {
		return err
	}
	writeJSON(c.answers(), http.StatusOK, plan)
	return nil
}

// makePlan makes a plan in the caller's name, few at once.
func (c *call) makePlan(req replay.Request, count bool) (*replay.Plan, error) {
	free, err := place(c.api.plans, "plans")
	if err != nil {
		return nil, err
	}
	defer free()
	req.By = c.by()
	return c.replays.Plan(c.ctx, req, replay.PlanOptions{Count: count}) //nolint:wrapcheck // explain knows its errors
}

// execute begins a replay: of a plan as it was answered, or of a request that is
// small enough to go without.
func (c *call) execute() error {
	if _, err := c.query(); err != nil {
		return err
	}
	data, err := c.body()
	if err != nil {
		return err
	}
	w, err := readWant(data)
	if err != nil {
		return err
	}
	if err := c.api.permit(w.request); err != nil {
		return err
	}
	plan, err := c.settle(w)
	if err != nil {
		return err
	}
	plan.Request.By = c.by()
	run, err := c.replays.Start(c.runs, plan)
	if err != nil {
		return err //nolint:wrapcheck // explain knows its errors
	}
	return c.accepted(run)
}

// settle returns the plan that is executed.
func (c *call) settle(w want) (*replay.Plan, error) {
	fresh, err := c.makePlan(*w.request, false)
	if err != nil {
		return nil, err
	}
	plan := fresh
	if w.plan != nil {
		plan, err = confirmed(w.plan, fresh)
	} else if most := c.api.opt.ConfirmAbove; fresh.Matching > most {
		err = &problem{status: http.StatusConflict, plan: fresh, text: fmt.Sprintf(
			"%d records match, more than the %d of replay.confirm_above: send this plan to execute it", fresh.Matching, most)}
	}
	c.audited = append(c.audited, zap.String("to", fresh.Request.To.Kind), zap.Int64("matching", fresh.Matching))
	return plan, err
}

// confirmed is a plan that was sent back, after a look at what it would be now: it
// must not reach behind the end of what there is, or a replay into the topic that it
// reads would never end. Earlier records may have expired since; those are gaps.
func confirmed(sent, fresh *replay.Plan) (*replay.Plan, error) {
	type partition struct {
		topic string
		n     int
	}
	ends := make(map[partition]int64, len(fresh.Ranges))
	for _, r := range fresh.Ranges {
		ends[partition{r.Topic, r.Partition}] = r.To
	}
	var problems []string
	sent.Records = 0
	for _, r := range sent.Ranges {
		end, ok := ends[partition{r.Topic, r.Partition}]
		switch {
		case !ok:
			problems = append(problems, fmt.Sprintf("%s/%d: the request has no records there", r.Topic, r.Partition))
		case r.To > end:
			problems = append(problems, fmt.Sprintf("%s/%d: the range ends at %d, behind the %d where the request's records end", r.Topic, r.Partition, r.To, end))
		}
		sent.Records += r.To - r.From
	}
	if len(problems) > 0 {
		return nil, invalid("the plan does not fit its request; plan anew", problems...)
	}
	return sent, nil
}

// accepted answers that a run goes on in the background.
func (c *call) accepted(run replay.Run) error {
	c.audited = append(c.audited, zap.String("id", run.ID))
	c.w.Header().Set("Location", "/api/v1/replays/"+run.ID)
	writeJSON(c.answers(), http.StatusAccepted, run)
	return nil
}

// How many runs a list has.
const (
	defaultRuns = 50
	maxRuns     = 1000
)

// list answers the runs of the past, newest first.
func (c *call) list() error {
	q, err := c.query("limit")
	if err != nil {
		return err
	}
	if err := c.noBody(); err != nil {
		return err
	}
	limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), strconv.Itoa(defaultRuns)))
	if err != nil || limit < 1 || limit > maxRuns {
		return invalid(fmt.Sprintf("limit has to be from 1 to %d", maxRuns))
	}
	runs, err := c.replays.Runs(c.ctx)
	if err != nil {
		return err //nolint:wrapcheck // explain knows its errors
	}
	total := len(runs)
	runs = append([]replay.Run{}, runs[:min(limit, total)]...) // no null
	writeJSON(c.answers(), http.StatusOK, map[string]any{"runs": runs, "total": total})
	return nil
}

// run returns the run that the address names.
func (c *call) run() (replay.Run, error) {
	if _, err := c.query(); err != nil {
		return replay.Run{}, err
	}
	if err := c.noBody(); err != nil {
		return replay.Run{}, err
	}
	return c.replays.Run(c.ctx, c.r.PathValue("id")) //nolint:wrapcheck // explain knows its errors
}

// show answers one run.
func (c *call) show() error {
	run, err := c.run()
	if err == nil {
		writeJSON(c.answers(), http.StatusOK, run)
	}
	return err
}

// cancel ends a run for good. One that is in progress stops a moment later.
func (c *call) cancel() error {
	run, err := c.change()
	if err != nil {
		return err
	}
	run, err = c.replays.Cancel(c.ctx, run.ID, c.by())
	if err != nil {
		return err //nolint:wrapcheck // explain knows its errors
	}
	return c.accepted(run)
}

// resume goes on with a run, unless it is one that the API could not have begun.
func (c *call) resume() error {
	run, err := c.change()
	if err != nil {
		return err
	}
	if err := c.api.permit(&run.Plan.Request); err != nil {
		return err
	}
	run, err = c.replays.ResumeInBackground(c.runs, run.ID)
	if err != nil {
		return err //nolint:wrapcheck // explain knows its errors
	}
	return c.accepted(run)
}

// change is run for calls that change something.
func (c *call) change() (replay.Run, error) {
	run, err := c.run()
	if err == nil {
		c.audited = append(c.audited, zap.String("to", run.Plan.Request.To.Kind))
	}
	return run, err
}
