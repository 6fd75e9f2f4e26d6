package admin

import (
	"context"
	"errors"

	"mxdesk/internal/id"
	"mxdesk/outbound"
)

type deliveryQuery struct {
	Scope
	Paging
	Period
	Cursor  deliveryID `query:"cursor" doc:"From next of the page before"`
	State   string     `query:"state" enum:"queued,held,leased,deferred,delivered,failed,suppressed,cancelled,unknown"`
	Lane    string     `query:"lane" maxLength:"255" pattern:"^[^\\x00-\\x20]+$" patternDescription:"a domain"`
	Ticket  ticketID   `query:"ticket"`
	Address string     `query:"address" maxLength:"512" doc:"Of the recipient, in any case"`
}

func (a *API) listDeliveries(ctx context.Context, in *deliveryQuery) (*body[page[delivery]], error) {
	lane := ""
	if in.Lane != "" {
		var err error
		if lane, err = outbound.LaneNamed(in.Lane); err != nil {
			return nil, invalid{"query.lane", "expected a domain"}
		}
	}
	rows, err := a.queue.Deliveries(ctx, outbound.Filter{
		Organisation: orgOf(ctx).ID, State: in.State, Lane: lane, Ticket: in.Ticket.number(), Before: in.Cursor.id(), Limit: in.Limit + 1,
		Address: in.Address, Since: in.Since, Until: in.Until,
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, rows, in.Limit, wireDelivery,
		func(d outbound.DeliveryInfo) string { return string(writeID[deliveryID]("dlv", d.ID)) }), nil
}

type deliveryPath struct {
	Scope
	Delivery deliveryID `path:"delivery"`
}

func (a *API) getDelivery(ctx context.Context, in *deliveryPath) (*body[delivery], error) {
	return a.showDelivery(ctx, in.Delivery.id())
}

func (a *API) showDelivery(ctx context.Context, which id.ID) (*body[delivery], error) {
	d, attempts, err := a.queue.Delivery(ctx, orgOf(ctx).ID, which)
	if err != nil {
		return nil, err
	}
	out := wireDelivery(d)
	out.Log = make([]attempt, 0, len(attempts))
	for _, line := range attempts {
		out.Log = append(out.Log, wireAttempt(line))
	}
	return &body[delivery]{out}, nil
}

// deliveryAct is the handler for an act of the queue: it shows what became of the delivery.
func (a *API) deliveryAct(act func(context.Context, int32, id.ID) error) func(context.Context, *deliveryPath) (*body[delivery], error) {
	return func(ctx context.Context, in *deliveryPath) (*body[delivery], error) {
		which := in.Delivery.id()
		err := act(ctx, orgOf(ctx).ID, which)
		if err != nil && !errors.Is(err, outbound.ErrNoDelivery) {
			return nil, err
		}
		out, findErr := a.showDelivery(ctx, which)
		if findErr != nil {
			return nil, findErr
		}
		if err != nil { // it is there, but not in the queue, or not held
			return nil, errFinished
		}
		return out, nil
	}
}

type laneQuery struct {
	Scope
	Paging
	Cursor string `query:"cursor" maxLength:"255" pattern:"^[^\\x00-\\x20]+$" patternDescription:"a domain" doc:"From next of the page before"`
}

func (a *API) listLanes(ctx context.Context, in *laneQuery) (*body[page[lane]], error) {
	var organisation int32 // 0: all
	if org := orgOf(ctx); org != nil {
		organisation = org.ID
	}
	rows, err := a.queue.Lanes(ctx, organisation, in.Cursor, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return paged(ctx, rows, in.Limit, wireLane, func(l outbound.LaneInfo) string { return l.Lane }), nil
}
