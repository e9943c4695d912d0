//! Errors.

use crate::metal::api::{ApiError, EncoderInfo, EncoderState};
use objc2::msg_send;
use objc2::rc::Retained;
use objc2::runtime::AnyObject;
use objc2_foundation::{NSArray, NSError, NSString};
use objc2_metal::{MTLCommandBufferEncoderInfoErrorKey, MTLCommandEncoderErrorState};

pub(super) fn api_error(error: &NSError) -> ApiError {
    ApiError {
        description: error.localizedDescription().to_string(),
        code: error.code(),
        encoders: Vec::new(),
    }
}

/// What a failed command buffer's error says of its encoders.
pub(super) fn encoders(error: &NSError) -> Vec<EncoderInfo> {
    // SAFETY: a constant of Metal's.
    let key = unsafe { MTLCommandBufferEncoderInfoErrorKey };
    let Some(list) = error.userInfo().objectForKey(key) else {
        return Vec::new();
    };
    let Some(list) = list.downcast_ref::<NSArray>() else {
        return Vec::new();
    };
    list.iter().map(|info| encoder_info(&info)).collect()
}

fn encoder_info(info: &AnyObject) -> EncoderInfo {
    // SAFETY: Metal documents the elements of this list as objects of `MTLCommandBufferEncoderInfo`, which have this method of this type.
    let state: MTLCommandEncoderErrorState = unsafe { msg_send![info, errorState] };
    // SAFETY: as above.
    let signposts: Option<Retained<NSArray<NSString>>> = unsafe { msg_send![info, debugSignposts] };
    let text = |string: Retained<NSString>| string.to_string();
    EncoderInfo {
        state: match state {
            MTLCommandEncoderErrorState::Affected => EncoderState::Affected,
            MTLCommandEncoderErrorState::Faulted => EncoderState::Faulted,
            _ => EncoderState::Other,
        },
        signposts: signposts.map_or_else(Vec::new, |list| list.iter().map(text).collect()),
    }
}
