"""Why each shipped use case asks for what it asks, in Chinese, by the English text; tests hold all of it."""

from __future__ import annotations

from collections.abc import Mapping

RATIONALES: Mapping[str, str] = {
    (
        "At the roadside, in any light: the officer compares with the licence in hand, govid says "
        "whether the registry agrees."
    ): ("在路边，光线不定：警员核对手中的驾驶证，govid 给出登记照片是否一致。"),
    (
        "For trying out, and for what no other use case fits. FMR 1e-4 is the order in which "
        "border control and banks ask; the band down to 1e-3 goes to a person."
    ): (
        "供试用，以及其他用途都不合适的场合。FMR 1e-4 是边检和银行所要求的量级；直到 1"
        "e-3 的区间交由人工判断。"
    ),
    ("A guest stands before the desk and the clerk sees both faces: quick, with the rates of general."): (
        "客人站在前台，工作人员能看到本人和照片：流程要快，错误率与 general 相同。"
    ),
    (
        "A document for ten years comes of it, and the clerk has time: the lowest rate that the "
        "shipped calibration supports, a good photo, and a person decides whatever is unsure."
    ): (
        "办成的是有效期十年的证件，工作人员也有时间：采用随附校准所能支持的最低误匹配率，要求照片"
        "质量好，凡不能确定的一律由人工判断。"
    ),
    (
        "A parcel is worth little and the clerk sees the face: a person turned away wrongly costs "
        "more than the rare parcel in wrong hands, so that the band for the clerk is wide."
    ): (
        "包裹价值不高，工作人员又能看到本人：误拒一位用户的代价高于偶尔错交一个包裹，因此留给工作"
        "人员复核的区间较宽。"
    ),
    (
        "One factor among others for an account: a living face is asked for, because photos of it are public."
    ): ("登录账户的多种验证要素之一：要求活体人脸，因为本人的照片可能是公开的。"),
    (
        "A pensioner certifies from home to be alive. Nobody looks on, money follows, and the "
        "camera is not ours: two embedders, and a challenge that a recording cannot answer."
    ): (
        "领取养老金的人在家中办理生存认证。无人看守，涉及发放款项，摄像头也不由我方控制：使用两个"
        "特征提取模型，并采用录像无法应对的随机指令活体检测。"
    ),
    (
        "An officer stands by, the line must not stop, and a stranger let through is a danger: a "
        "tenth of the rate of a hotel, and a wider band that the officer looks at."
    ): (
        "有工作人员在场，队伍不能停，而放行冒名者会带来危险：误匹配率是酒店的十分之一，供工作人员"
        "复核的区间更宽。"
    ),
    (
        "Nobody looks on, and money follows: two embedders, a photo that was taken there, and a "
        "check that a living face is before the camera."
    ): ("无人看守，又涉及发放款项：使用两个特征提取模型，照片须现场拍摄，并检查镜头前是活体人脸。"),
    (
        "A gate without staff in front of it, and an identity document behind it: the rate of "
        "border gates, a neighbour in the queue is in the picture, so that only a second face of "
        "nearly the same size is refused."
    ): (
        "闸机前无人值守，其后有身份证件核验：采用边检闸机的误匹配率。排队的旁人会出现在画面中，因"
        "此只有大小几乎相同的第二张人脸才会被拒绝。"
    ),
    ("Many people, one ticket each, staff at the gate: quick, and whoever is unsure shows a paper."): (
        "人多，一人一票，入口有工作人员：要快，无法确定的人出示证件。"
    ),
}
