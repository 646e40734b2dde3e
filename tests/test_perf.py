import errno
import os

import pytest

from carbonwatch import perf


def test_what_the_kernel_refuses_is_an_error_with_its_number() -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - any of the two below
        perf.open_event(0xFFFF, 0, pid=os.getpid())  # a kind of event that there is not

    # without a right to perf events at all, the kind is not looked at
    assert caught.value.errno in (errno.ENOENT, errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOSYS)
    assert str(caught.value) != ""
