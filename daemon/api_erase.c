#include "daemon/api_internal.h"

#include "daemon/eraser.h"

void seg_api_erase(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct seg_error err = {0};
	enum seg_rc rc;
	if (!seg_api_check_id(request->param, answer))
		return;
	rc = seg_eraser_erase(s->eraser, request->param, &err);
	if (rc)
		seg_api_failed(answer, rc, &err);
	else
		seg_api_send(answer, 202, json_pack("{s:s}", "accepted", "erase"));
}
