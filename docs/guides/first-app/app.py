"""An app that answers its customers with a model, and tells them why when it may not."""

import os

from anthropic import Anthropic, BadRequestError, PermissionDeniedError

MODEL = "claude-sonnet-5"
APOLOGIES = {
    "user_profile_banned": "Your account is closed. Write to us if you think that is a mistake.",
    "user_profile_account_suspended": "Your account is suspended until your bill is paid.",
    "user_profile_pending": "We are looking at your documents; please come back tomorrow.",
}


def profile_of(client, reference, known={}):
    """The profile of a customer of ours, made when the customer first comes."""
    if reference not in known:
        details = {"reference_id": reference}
        known[reference] = client.user_profiles.create(external_user_details=details).id
    return known[reference]


def code_of(error):
    return error.body["error"].get("details", {}).get("error_code")


def answer(client, reference, question):
    asked = {"model": MODEL, "max_tokens": 256, "messages": [{"role": "user", "content": question}]}
    try:
        message = client.messages.create(**asked, user_profile_id=profile_of(client, reference))
    except PermissionDeniedError as error:
        return APOLOGIES.get(code_of(error), "This account cannot be used now.")
    except BadRequestError as error:
        return "We do not know you." if code_of(error) == "user_profile_not_found" else str(error)
    return message.content[0].text


if __name__ == "__main__":
    client = Anthropic(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"])
    print(answer(client, "customer-1", "How do you do?"))
